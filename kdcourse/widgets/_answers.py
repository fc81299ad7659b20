"""Controls over answers and losses: the temperature, the pull of a gradient, the two ways between the KLs, shares."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcourse._arguments import fail
from kdcourse.losses import Loss
from kdcourse.losses.sequences import _between
from kdcourse.plots import COLOURS
from kdcourse.widgets._live import Live, Picture, bars, bitmap, column_chart, live, text
from kdcourse.widgets._still import ipywidgets


def temperature(logits: Tensor, images: Tensor, labels: Tensor, classes: Sequence[str]) -> Live:
    """Temperature against logits, probabilities and entropy, for a model's real answers.

    Args:
        logits: N x C, one row an image to choose from.
        images: N x 1 x H x W.
        labels: N integers.
        classes: the C names.
    """
    if len(logits) != len(images) or logits.shape[1] != len(classes):
        shapes = f"{tuple(logits.shape)}, {len(images)} images, {len(classes)} classes"
        raise fail("logits", "be N x C for N images and C classes", shapes, "Pass the answers to these very images.")

    def draw(image: int, temperature: float) -> Picture:
        z = logits[image].double()
        p = (z / temperature).softmax(dim=0)
        entropy = float(-(p * p.clamp(min=1e-300).log()).sum())
        names = [text(306, 64 + 18 * i, name, "end") for i, name in enumerate(classes)]
        bound = float(logits.abs().max()) / 1.0
        body = bitmap(images[image], 20, 60, 140) + text(90, 220, f"labelled {classes[int(labels[image])]}", "middle")
        body += "".join(names) + bars(316, 51, "logits", z.tolist(), limits=(-bound, bound), digits=1)
        body += bars(570, 51, f"softmax(logits / {temperature:g})", p.tolist(), limits=(0, 1), colour=COLOURS[1])
        body += text(570, 253, f"entropy {entropy:.2f} nats of at most {np.log(len(z)):.2f}")
        first = int(p.argmax())
        alt = f"Temperature {temperature:g}: {classes[first]} {p[first]:.2f}, entropy {entropy:.2f} nats."
        return Picture(body, 820, 268, alt)

    pictured = [(f"{i + 1}: {classes[int(label)]}", i) for i, label in enumerate(labels)]
    return live(draw, image=ipywidgets.Dropdown(options=pictured, description="image"), temperature=_temperatures())


TEMPERATURES = (0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0)


def _temperatures() -> Any:
    """A slider that stops at the temperatures people use; what it says aloud is its stop, "T = 4"."""
    stops = [(f"T = {t:g}", t) for t in TEMPERATURES]
    return ipywidgets.SelectionSlider(
        options=stops, value=1.0, description="temperature T", tooltip="temperature T", continuous_update=True
    )


def gradient(student_logits: Tensor, teacher_logits: Tensor, classes: Sequence[str]) -> Live:
    """Temperature against the pull on each of a student's logits: minus the gradient of KL(p || q), (p_i - q_i) / T.

    Beside it what T^2 times the pull tends to for large T: (v_i - z_i) / C with both sides' means taken off.

    Args:
        student_logits, teacher_logits: N x C, one row an image to choose from.
        classes: the C names.
    """
    if student_logits.shape != teacher_logits.shape or student_logits.shape[1] != len(classes):
        shapes = f"{tuple(student_logits.shape)}, {tuple(teacher_logits.shape)}, {len(classes)} classes"
        raise fail("student_logits and teacher_logits", "be N x C alike", shapes, "Ask both about the same images.")

    def sides(image: int, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        z, v = student_logits[image].double(), teacher_logits[image].double()
        q, p = (z / temperature).softmax(dim=0), (v / temperature).softmax(dim=0)
        return q, p, (p - q) / temperature

    def draw(image: int, temperature: float, factor: str) -> Picture:
        q, p, pull = sides(image, temperature)
        pull = pull * (temperature**2 if factor == "times T²" else 1)
        names = [text(120, 64 + 18 * i, name, "end") for i, name in enumerate(classes)]
        body = "".join(names) + bars(130, 51, "student", q.tolist(), limits=(0, 1), width=140)
        body += bars(330, 51, "teacher", p.tolist(), limits=(0, 1), width=140, colour=COLOURS[1])
        limit = (teacher_logits - student_logits)[image].double() / len(classes)
        limit -= limit.mean()
        body += bars(530, 51, f"pull, {factor}", pull.tolist(), limits=(-bound, bound), colour=COLOURS[2])
        body += bars(790, 51, "its limit, (v − z) / C", limit.tolist(), limits=(-bound, bound), colour=COLOURS[3])
        body += text(130, 253, f"probabilities at T = {temperature:.3g}")
        body += text(530, 253, f"length {float(pull.norm()):.4f}") + text(790, 253, f"{float(limit.norm()):.4f}")
        first = int(pull.argmax())
        alt = (
            f"T = {temperature:.3g}: the strongest pull goes up to {classes[first]}, {float(pull[first]):.4f} {factor}."
        )
        return Picture(body, 1050, 268, alt)

    bound = max(float(t**2 * sides(i, t)[2].abs().max()) for i in range(len(student_logits)) for t in (1.0, 4.0, 30.0))
    factors = ipywidgets.Dropdown(options=["without T²", "times T²"], description="gradient")
    pictured = [(str(i + 1), i) for i in range(len(student_logits))]
    image = ipywidgets.Dropdown(options=pictured, description="image")
    return live(draw, image=image, temperature=_temperatures(), factor=factors)


def two_ways() -> Live:
    """Beta on a slider, and the student with one peak that is then nearest to a teacher with two."""
    places = torch.arange(30.0)

    def peaks(centres: Tensor, widths: Tensor) -> Tensor:
        """Log-probabilities of peaks over the places, one a row."""
        return (-(((places - centres[:, None]) / widths[:, None]) ** 2) / 2).log_softmax(-1)

    two = peaks(torch.tensor([8.0, 21.0]), torch.tensor([1.8, 2.6])).exp()
    teacher = (0.55 * two[0] + 0.45 * two[1]).log()
    students = peaks(*torch.cartesian_prod(torch.arange(5.0, 25.0), torch.arange(1.0, 9.0, 0.4)).T)

    def draw(beta: float) -> Picture:
        losses = _between(teacher.expand_as(students), students, beta)
        body, best = "", students[int(losses.argmin())].exp().tolist()
        for at, (p, q) in enumerate(zip(teacher.exp().tolist(), best, strict=True)):
            for shift, value, colour in ((0, p, COLOURS[0]), (9, q, COLOURS[1])):
                top, x = 1000 * value, 20 + 22 * at + shift
                body += f'<rect x="{x}" y="{240 - top:.1f}" width="8" height="{top:.1f}" fill="{colour}"/>'
        for x, words, colour in ((20, "teacher", COLOURS[0]), (110, "student", COLOURS[1])):
            body += f'<rect x="{x}" y="36" width="13" height="13" fill="{colour}"/>' + text(x + 20, 47, words)
        both = sum(value > 0.01 for value in (best[8], best[21]))
        said = f"beta {beta:g}: the nearest student stands on {('no', 'one', 'both')[both]} of the teacher's peaks"
        body += text(20, 24, f"{said}; loss {float(losses.min()):.3f}", weight="bold")
        return Picture(body, 700, 250, f"Teacher blue, student orange, over 30 tokens. At {said}.")

    stops = [(f"{beta:g}", beta) for beta in (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 1.0)]
    return live(draw, beta=ipywidgets.SelectionSlider(options=stops, description="beta β"))


def shares(loss: Loss, history: Mapping[str, Sequence[float]]) -> Live:
    """Each term's share of a weighted loss, epoch by epoch, for weights of one's choice.

    Args:
        loss: the run's loss; its weights are where the controls start.
        history: the run's history, with each term unweighted.

    What is shown is the run that was made; another weighting would have trained another model.
    """
    names = [part.name for _, part in loss.parts]

    def draw(**weights: float) -> Picture:
        weighted = np.array([[weights[n] * value for value in history[n]] for n in names])
        share = weighted / np.maximum(weighted.sum(axis=0), 1e-12)
        body = column_chart(20, 34, dict(zip(names, share, strict=True)), width=480, height=170)
        body += text(20, 22, "share of the weighted loss", weight="bold") + text(260, 238, "epoch", "middle")
        for i, name in enumerate(names):
            body += f'<rect x="530" y="{46 + 24 * i}" width="13" height="13" fill="{COLOURS[i]}"/>'
            body += text(550, 57 + 24 * i, f"{name.replace('_', ' ')}: {100 * share[i, -1]:.1f} % at the end")
        said = ", ".join(f"{name} {100 * share[i, -1]:.1f} %" for i, name in enumerate(names))
        return Picture(body, 780, 246, f"Shares of the weighted loss in the last epoch: {said}.")

    controls = {
        part.name: ipywidgets.FloatLogSlider(
            value=weight, base=10, min=-4, max=2, step=0.1, description=f"weight of {part.name}", readout_format=".4g"
        )
        for weight, part in loss.parts
    }
    return live(draw, **controls)
