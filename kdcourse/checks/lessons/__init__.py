"""The tasks, one module a lesson. References and mistakes are written as a learner would write them."""
