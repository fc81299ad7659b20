"""Temperature as a softening of bars."""

from collections.abc import Sequence

import numpy as np

from kdcourse._arguments import fail, positive
from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

LEFT, RIGHT = 2.72, 8.85  # of the panels, inches


def temperature(
    logits: Sequence[float] | None = None, classes: Sequence[str] | None = None,
    temperatures: Sequence[float] = (1, 4, 20),
) -> Shown:  # fmt: skip
    """The same logits as bars of softmax(z / T), at two or three temperatures.

    Args:
        logits: one number a class, 2 to 10 of them; by default the shipped teacher's answer to the sandal that then
            stands beside the bars.
        classes: the names of the classes; numbers where left out.
        temperatures: two or three numbers above 0, from low to high.

    Source: Hinton, Vinyals and Dean 2015.
    """
    values, names = _checked(logits, classes, temperatures)
    figure, axis = draw.canvas()
    order = np.argsort(-values, kind="stable")
    names = [names[i] for i in order]
    if logits is None:
        draw.image(axis, draw.asset("image:Sandal"), 0.3, 1.2, 1.15, "the image")
    draw.text(axis, 0.875, 0.6, "p = softmax(z / T)", colour=draw.TEACHER)
    pitch, parts = (RIGHT - LEFT) / len(temperatures), []
    for i, t in enumerate(temperatures):
        answer = draw.softmax(values[order], t)
        left = LEFT + i * pitch
        draw.heading(axis, left, f"T = {t:g}", colour=draw.TEACHER)
        draw.bars(
            axis, answer, left, 0.25, pitch - 0.7, 2.5, colour=draw.TEACHER, names=names if i == 0 else (),
            written=[draw.percent(p) for p in answer], gid=f"T={t:g}",
        )  # fmt: skip
        said = [f"{name} {draw.percent(p)}" for name, p in zip(names, answer, strict=True)]
        parts.append(f"at T = {t:g} {', '.join(said[:3])}")
    seen = "an image of a sandal" if logits is None else "one image"
    return draw.finish(
        figure,
        "A higher temperature softens the answer until its small probabilities can be seen.",
        f"The teacher's logits for {seen} stay the same; horizontal bars show softmax(z / T) for {len(values)} "
        f"classes: {'; '.join(parts)}.",
        "The logits z are divided by the temperature T before the softmax. The order of the classes never changes.",
    )


def _checked(
    logits: Sequence[float] | None, classes: Sequence[str] | None, temperatures: Sequence[float]
) -> tuple[draw.Array, list[str]]:
    """Logits and names, or an error that says what was wrong."""
    if logits is None:
        values, names = draw.asset("logits:Sandal"), draw.CLASSES if classes is None else classes
    else:
        values = np.asarray(logits, dtype=np.float64)
        names = [str(i) for i in range(values.size)] if classes is None else classes
    if values.ndim != 1 or not 2 <= len(values) <= 10 or not np.isfinite(values).all():
        raise fail("logits", "be 2 to 10 finite numbers", logits, "Pass the logits of one image: model(x)[0].tolist().")
    if len(names) != len(values):
        raise fail("classes", f"name {len(values)} classes, one a logit", tuple(names), "Pass one name for each logit.")
    if not 2 <= len(temperatures) <= 3 or list(temperatures) != sorted(set(temperatures)):
        remedy = "Pass (1, 4, 20), say."
        raise fail("temperatures", "be two or three numbers, from low to high", tuple(temperatures), remedy)
    for t in temperatures:
        positive("temperatures", t)
    return values, list(names)
