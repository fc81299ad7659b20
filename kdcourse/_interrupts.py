"""What Ctrl-C leaves: the same KeyboardInterrupt, with what was finished so far and a sentence on how to go on."""

from typing import Any

__all__ = ["Interrupted"]


class Interrupted(KeyboardInterrupt):
    """A long work was stopped by the user; what was finished is not lost.

    Attributes:
        run: the training run so far (``distill``, ``train``); its student holds the best finished epoch's weights.
        part: the images made so far (``synthesise``).
        outcomes: the finished regimes by name (``pipeline.run``).
    """

    run: Any = None
    part: Any = None
    outcomes: Any = None
