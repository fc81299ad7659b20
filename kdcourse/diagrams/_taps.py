"""The article's layer-wise loss: taps on what enters each layer, each compared with the teacher's answer."""

from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

LAYERS = ((1.55, 2.65), (3.75, 4.85), (5.95, 7.05))  # left and right edges of the three layers
TAPS = (1.2, 3.2, 5.4)  # what enters each of them
LINE, MAP, TERM, TEACHER = 2.3, 1.5, 0.98, 0.4  # heights of the rows' middles
SYMBOLS = ("⁰", "¹", "²")


def taps() -> Shown:
    """A student of three layers: a tap before each one, a learned map, a distance; dashed, where gradients go."""
    figure, axis = draw.canvas()
    _student(axis)
    draw.box(axis, 0.3, TEACHER - 0.18, 1.15, 0.36, "Teacher", colour=draw.TEACHER)
    draw.arrow(axis, (1.45, TEACHER), (TAPS[-1], TEACHER), colour=draw.TEACHER, head=False)
    draw.text(axis, 6.2, TEACHER, "its answer f*", ha="center", colour=draw.TEACHER)
    for k, x in enumerate(TAPS, 1):
        draw.arrow(axis, (x, LINE), (x, MAP + 0.15), colour=draw.STUDENT)
        draw.box(axis, x - 0.24, MAP - 0.15, 0.48, 0.3, f"P{'₁₂₃'[k - 1]}")
        draw.arrow(axis, (x, MAP - 0.15), (x, TERM + 0.15))
        draw.text(axis, x, TERM, f"term {k}", size=10, weight="bold")
        draw.arrow(axis, (x, TEACHER + (0.18 if k == 1 else 0)), (x, TERM - 0.15), colour=draw.TEACHER)
    for x, (left, right) in zip(TAPS[1:], LAYERS, strict=False):  # from a tap to the layer before it
        middle = (left + right) / 2
        draw.arrow(axis, (x - 0.24, MAP), (middle, MAP), (middle, LINE - 0.28), back=True, gid="gradient")
    low = LINE - 0.18  # and through layer 2 on to layer 1
    draw.arrow(axis, (LAYERS[1][0], low), (LAYERS[0][1], low), back=True, gid="further")
    return draw.finish(
        figure,
        "Each term reads what enters a layer. No term reads what the last layer gives.",
        "An image f⁰ enters layer 1, which gives f¹; f¹ enters layer 2, which gives f²; f² enters layer 3, which gives "
        "the student's answer. A tap in front of each layer leads f⁰, f¹ and f² through learned maps P₁, P₂ and P₃ to "
        "terms 1, 2 and 3, which compare them with the teacher's answer f*. Gradients go back from term 2 to layer 1 "
        "and from term 3 to layer 2 (and on to layer 1). None reaches layer 3.",
        "P: a learned linear map. Dashed: the way of the gradient; that of term 3 goes through layer 2 on to layer 1.",
    )


def _student(axis: Axes) -> None:
    """Image, three layers, answer, from left to right."""
    draw.image(axis, draw.asset("image:Sneaker"), 0.3, LINE - 0.3, 0.6)
    places = [(0.9, LAYERS[0][0]), (LAYERS[0][1], LAYERS[1][0]), (LAYERS[1][1], LAYERS[2][0])]
    for k, ((start, end), (left, right)) in enumerate(zip(places, LAYERS, strict=True), 1):
        draw.arrow(axis, (start, LINE), (end, LINE), colour=draw.STUDENT)
        draw.text(axis, TAPS[k - 1], LINE + 0.2, f"f{SYMBOLS[k - 1]}", size=10, colour=draw.STUDENT)
        draw.box(axis, left, LINE - 0.28, right - left, 0.56, f"Layer {k}", colour=draw.STUDENT)
    draw.arrow(axis, (LAYERS[2][1], LINE), (7.45, LINE), colour=draw.STUDENT)
    draw.text(axis, 7.5, LINE, "the student's\nanswer", ha="left", colour=draw.STUDENT)
    middle = sum(LAYERS[2]) / 2
    draw.text(axis, middle, LINE - 0.5, "no gradient arrives", colour=draw.ACCENT)
