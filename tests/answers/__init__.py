"""Wrong and right answers to every task: WRONG[id] is (function, what its card says), RIGHT[id] is a function."""
