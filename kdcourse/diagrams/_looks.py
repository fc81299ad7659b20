"""What a network sees on its way to the answer: all its feature maps (hint), or where they are large (attention)."""

from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

ROWS = {"teacher": 2.02, "student": 0.42}  # feet of the rows, which are 0.9 high
MAPS = {"teacher": "128 maps", "student": "16 maps"}
STACK, SUM = 3.9, 6.55  # left edges of the stacks of maps, and of the attention maps


def looks() -> Shown:
    """One image in two networks: a stack of feature maps in each, and the map of their squares, both 7 x 7.

    The two attention maps are computed: the shipped teacher's block 6, and block 2 of a cnn of width 8 that has
    learned nothing yet. Sources: Romero et al. 2015 (hints), Zagoruyko and Komodakis 2017 (attention).
    """
    figure, axis = draw.canvas()
    draw.image(axis, draw.asset("image:Ankle boot"), 0.3, 1.25, 1.0, "an image")
    for name, colour in (("teacher", draw.TEACHER), ("student", draw.STUDENT)):
        _row(axis, name, colour)
    for x, title, words in (
        (STACK + 0.5, "Hint", "all maps, after a 1×1 A"),
        (SUM + 0.45, "Attention", "one map each"),
    ):
        draw.arrow(axis, (x, ROWS["teacher"] - 0.04), (x, 1.9), colour=draw.TEACHER, head=False)
        draw.arrow(axis, (x, ROWS["student"] + 0.95), (x, 1.4), colour=draw.STUDENT, head=False)
        draw.text(axis, x, 1.76, title, weight="bold", size=10)
        draw.text(axis, x, 1.55, words)
    return draw.finish(
        figure,
        "A hint compares all feature maps. Attention only compares where they are large.",
        "An ankle boot goes to the teacher and to the student. On the way to the answer the teacher has 128 maps of 7 "
        "by 7 numbers and the student 16. A hint compares the two stacks, after a learned convolution A that makes 128 "
        "maps out of 16. Attention adds up the squares of all maps of a stack, place by place, to a single map of 7 by "
        "7, and compares the two single maps.",
        "The attention maps are real: the shipped teacher's block 6, and block 2 of a student that has learned "
        "nothing yet. Bright: large.",
    )


def _row(axis: Axes, name: str, colour: str) -> None:
    """A network, its stack of maps, and the sum of their squares."""
    low = ROWS[name]
    middle = low + 0.45
    draw.arrow(axis, (1.38, 1.75), (1.66, 1.75), (1.66, middle), (1.95, middle), colour=draw.DATA)
    draw.box(axis, 1.95, low + 0.12, 1.3, 0.66, name.capitalize(), "its blocks", colour=colour)
    draw.arrow(axis, (3.25, middle), (STACK - 0.08, middle), colour=colour)
    shades = draw.asset(f"maps:{name}")
    for k in range(4):  # the last one in front
        draw.image(axis, shades[k], STACK + 0.1 * k, low + 0.2 - 0.06 * k, 0.66, edge="white", gid=f"{name}:{k}")
    draw.text(axis, STACK + 1.06, middle, f"{MAPS[name]}\n7 × 7", ha="left", colour=colour)
    draw.arrow(axis, (5.72, middle), (SUM - 0.06, middle), colour=colour)
    draw.text(axis, 6.1, middle + 0.17, "Σ squares", colour=colour)
    draw.image(axis, draw.asset(f"attention:{name}"), SUM, low, 0.9, edge=colour, line=1.4, gid=f"attention:{name}")
    draw.text(axis, SUM + 1.0, middle, f"the {name}'s\nattention map", ha="left", colour=colour, weight="bold")
