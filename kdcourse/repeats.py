"""The same comparison with several seeds: a run of each method a seed, kept in pairs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kdcourse._arguments import fail, positive
from kdcourse._feeds import progress_bar
from kdcourse.evaluation import Difference, compare
from kdcourse.training import Run

__all__ = ["Repeats", "over_seeds"]


class Repeats(dict[str, list[Run]]):
    """{method: its runs, one a seed, in the order of ``seeds``}."""

    def __init__(self, runs: Mapping[str, list[Run]], seeds: Sequence[int]) -> None:
        super().__init__(runs)
        self.seeds = list(seeds)

    def compare(self, ours: str, theirs: str, data: Any, **options: Any) -> Difference:
        """Ours minus theirs on ``data``, seed by seed, with one 95% interval; options as in ``evaluation.compare``."""
        for argument, name in (("ours", ours), ("theirs", theirs)):
            if name not in self:
                raise fail(argument, f"be one of {', '.join(self)}", name, "Name a method that was run.")
        return compare(self[ours], self[theirs], data, **options)

    def __repr__(self) -> str:
        return f"Repeats({', '.join(self)}; seeds {', '.join(map(str, self.seeds))})"


def _refuse_same(name: str, run: Run, found: dict[str, list[Run]]) -> None:
    """Each seed and method wants a model of its own: one module would be counted again and again."""
    if any(run.student is other.student for runs in found.values() for other in runs):
        raise fail(f"the method {name}", "train a new student for each seed", "the same module again",
                   "Build it inside: lambda seed: kd.train(kd.build('cnn', seed=seed), ..., seed=seed).")  # fmt: skip


def over_seeds(
    methods: Mapping[str, Callable[[int], Run]], seeds: int | Sequence[int] = 5, *, progress: bool = True
) -> Repeats:  # fmt: skip
    """Run each method with each seed.

    Args:
        methods: {name: seed -> run}; use the seed for the weights and for the run, so that methods are paired.
        seeds: a number, or the seeds themselves; with fewer than five there is no interval.
        progress: show a progress bar.

    Example::

        runs = kd.over_seeds({
            "distilled": lambda seed: kd.distill(teacher, kd.build("cnn", seed=seed), splits, seed=seed),
            "labels only": lambda seed: kd.train(kd.build("cnn", seed=seed), splits, seed=seed),
        })
        runs.compare("distilled", "labels only", splits.test)
    """
    if not isinstance(methods, Mapping) or not methods or not all(callable(m) for m in methods.values()):
        raise fail("methods", "be {name: function of a seed}", methods, "Write {'mine': lambda seed: kd.train(...)}.")
    seeds = seeds.tolist() if hasattr(seeds, "tolist") else seeds
    if not isinstance(seeds, Sequence):
        positive("seeds", seeds, whole=True)
    elif not seeds:
        raise fail("seeds", "hold at least one", seeds, "Write 5, or [0, 1, 2, 3, 4].")
    chosen = [int(seed) for seed in (seeds if isinstance(seeds, Sequence) else range(seeds))]
    found: dict[str, list[Run]] = {name: [] for name in methods}
    with progress_bar(progress, total=len(chosen) * len(methods), desc="over seeds") as bar:
        for seed in chosen:
            for name, method in methods.items():
                run = method(seed)
                if not isinstance(run, Run):
                    raise fail(
                        f"the method {name}", "return a run", type(run).__name__, "Return kd.train(...).", TypeError
                    )
                _refuse_same(name, run, found)
                found[name].append(run)
                bar.update()
    return Repeats(found, chosen)
