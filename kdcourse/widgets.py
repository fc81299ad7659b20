"""Live controls over real models: labelled, worked by mouse and keyboard, redrawn within 100 ms.

A picture is an ``<img>`` with alt text, drawn as SVG on its own background, so that it reads in both themes.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse._arguments import fail
from kdcourse.data import Part
from kdcourse.federated import CONVENTIONS
from kdcourse.federated import partition as divide
from kdcourse.losses import Loss
from kdcourse.losses.sequences import _between
from kdcourse.models import preserved
from kdcourse.plots import COLOURS
from kdcourse.records import Record
from kdcourse.records.rows import settings_of
from kdcourse.taylor import gated, gates
from kdcourse.training import plateaued

__all__ = [
    "Live",
    "Picture",
    "degrade",
    "gradient",
    "live",
    "partition",
    "prune",
    "shares",
    "sharing",
    "stopping",
    "strength",
    "sweep",
    "task_weight",
    "temperature",
    "two_ways",
]

FONT = 'font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" fill="#222"'


@dataclass(frozen=True)
class Picture:
    """An SVG drawing of this width and height, and what it shows in words."""

    body: str
    width: float
    height: float
    alt: str

    def html(self) -> str:
        """The picture as ``<img>``."""
        size = f'width="{self.width:.0f}" height="{self.height:.0f}"'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect width="100%" height="100%" fill="white"/>'
        data = base64.b64encode(f"{svg}<g {FONT}>{self.body}</g></svg>".encode()).decode()
        return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(self.alt)}" {size}>'


class Live:
    """A picture below its controls. ``.controls`` are ipywidgets by name; ``.picture`` holds the HTML."""

    def __init__(self, draw: Callable[..., Picture], controls: Mapping[str, Any]) -> None:
        self.draw, self.controls = draw, dict(controls)
        self.picture = ipywidgets.HTML()
        for control in self.controls.values():
            control.style.description_width = "initial"
            control.layout.width = "32em"
            control.observe(lambda change: self.redraw(), "value")
        self.redraw()
        rows = [row for control in self.controls.values() for row in (control, *_list_beside(control))]
        self.view = ipywidgets.VBox([*rows, self.picture])

    def redraw(self) -> None:
        """Draw for the controls' present values."""
        self.picture.value = self.draw(**{name: control.value for name, control in self.controls.items()}).html()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.view._repr_mimebundle_(**options)


def _list_beside(control: Any) -> list[Any]:
    """For a slider with stops a list of the same stops, which moves with it.

    The handle of such a slider has no name that a screen reader could say; a list has its label.
    """
    if not isinstance(control, ipywidgets.SelectionSlider):
        return []
    words = f"{control.description}, as a list"
    stops = ipywidgets.Dropdown(options=control.options, index=control.index, description=words)
    stops.style.description_width, stops.layout.width = "initial", "20em"
    ipywidgets.link((control, "index"), (stops, "index"))
    return [stops]


def live(draw: Callable[..., Picture], **controls: Any) -> Live:
    """Redraw ``draw(**values) -> Picture`` whenever one of the controls (ipywidgets with a description) moves."""
    unlabelled = [name for name, control in controls.items() if not control.description]
    if unlabelled or not controls:
        raise fail("controls", "each have a description", unlabelled or "none", "Write description='temperature'.")
    return Live(draw, controls)


# ---------------------------------------------------------------- drawing


def text(x: float, y: float, words: str, anchor: str = "start", weight: str = "normal") -> str:
    """Words at a point; ``anchor``: start, middle or end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'


def bars(
    x: float, y: float, title: str, values: Sequence[float], *, limits: tuple[float, float], width: float = 190,
    digits: int = 2, colour: str = COLOURS[0],
) -> str:  # fmt: skip
    """Horizontal bars from zero, one a row of 18 pixels, each with its number beside it."""
    low, high = limits
    zero, scale = x + width * -low / (high - low), width / (high - low)
    rows = [text(x, y - 8, title, weight="bold")]
    for i, value in enumerate(values):
        top, reach = y + 18 * i, float(np.clip(value, low, high)) * scale
        rows.append(f'<rect x="{min(zero, zero + reach):.1f}" y="{top + 2:.1f}" width="{abs(reach):.1f}" height="13" ')
        rows.append(f'fill="{colour}"/>' + text(x + width + 6, top + 13, f"{value:.{digits}f}"))
    return "".join(rows)


def bitmap(image: Tensor, x: float, y: float, size: float) -> str:
    """One greyscale image, H x W or 1 x H x W in [0, 1], as a picture in the picture."""
    from matplotlib.image import imsave

    file = io.BytesIO()
    imsave(file, image.detach().reshape(image.shape[-2:]).numpy(), cmap="gray", vmin=0, vmax=1, format="png")
    data = base64.b64encode(file.getvalue()).decode()
    place = f'x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}" style="image-rendering:pixelated"'
    return f'<image href="data:image/png;base64,{data}" {place}/>'


def column_chart(x: float, y: float, stacks: Mapping[str, Sequence[float]], *, width: float, height: float) -> str:
    """Columns, one an epoch, each stacked from shares that sum to one."""
    n = len(next(iter(stacks.values())))
    below, parts = np.zeros(n), list[str]()
    for colour, values in zip(COLOURS, stacks.values(), strict=False):
        for i, value in enumerate(values):
            top = y + height * (1 - below[i] - value)
            size = f'width="{0.8 * width / n:.1f}" height="{height * value:.1f}"'
            parts.append(f'<rect x="{x + i * width / n:.1f}" y="{top:.1f}" {size} fill="{colour}"/>')
        below += np.asarray(values)
    for i in range(n):
        parts.append(text(x + (i + 0.4) * width / n, y + height + 16, str(i + 1), "middle"))
    return "".join(parts)


# ---------------------------------------------------------------- the lessons' controls


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


CHANGES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "blur": lambda x, s: torch.lerp(x, F.avg_pool2d(x, 7, stride=1, padding=3), s),
    "inversion": lambda x, s: torch.lerp(x, 1 - x, s),
    "darkness": lambda x, s: x * (1 - s),
    "move to the right": lambda x, s: torch.roll(x, round(8 * s), dims=3),
}


def degrade(model: nn.Module, part: Part, *, shown: int = 6) -> Live:
    """How far images may move away from those that trained ``model`` before its accuracy falls.

    Args:
        model: answers all images of ``part`` anew at each move; 300 are answered in some 10 ms by a small cnn.
        part: labelled images.
        shown: how many of them to show.
    """

    def draw(change: str, strength: float) -> Picture:
        images = CHANGES[change](part.images, strength)
        with preserved(model), torch.no_grad():
            right = model(images).argmax(dim=1) == part.labels
        score = float(right.float().mean())
        body = "".join(bitmap(image, 10 + 96 * i, 10, 88) for i, image in enumerate(images[:shown]))
        said = ["right" if ok else "wrong" for ok in right[:shown]]
        body += "".join(text(54 + 96 * i, 114, word, "middle") for i, word in enumerate(said))
        body += bars(20 + 96 * shown, 60, f"accuracy on {len(part)} images", [score], limits=(0, 1), digits=3)
        alt = f"{change.capitalize()} at strength {strength:.2f}: accuracy {score:.3f} on {len(part)} images."
        return Picture(body, 96 * shown + 270, 124, alt)

    kind = ipywidgets.Dropdown(options=list(CHANGES), description="change")
    return live(
        draw, change=kind, strength=ipywidgets.FloatSlider(value=0.25, min=0, max=1, step=0.05, description="strength")
    )


def prune(model: nn.Module, rankings: Mapping[str, Mapping[str, Tensor]], part: Part) -> Live:
    """Channels switched off from the lowest score up: what is left of each layer, and what the model still knows.

    Args:
        model: answers all images of ``part`` anew at each move; 300 are answered in some 20 ms by a cnn of width 16.
        rankings: {name: {layer: one score a channel}}, as ``taylor.importance`` gives them.
        part: labelled images.
    """
    places = gates(model, part.images[:1])

    def kept(scores: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
        everything = torch.cat(list(scores.values()))
        mask = torch.ones_like(everything)
        mask[everything.argsort()[: round(share * len(mask))]] = 0
        return dict(zip(scores, torch.split(mask, [len(s) for s in scores.values()]), strict=True))

    def draw(ranking: str, share: float) -> Picture:
        values = kept(rankings[ranking], share)
        with preserved(model), torch.no_grad(), gated(model, {layer: places[layer] for layer in values}, values):
            score = float((model(part.images).argmax(dim=1) == part.labels).float().mean())
        left = [float(value.mean()) for value in values.values()]
        names = [text(160, 64 + 18 * i, f"{n}: {len(v)} channels", "end") for i, (n, v) in enumerate(values.items())]
        body = "".join(names) + bars(170, 51, "share that is left", left, limits=(0, 1))
        body += bars(470, 51, f"accuracy on {len(part)} images", [score], limits=(0, 1), digits=3, colour=COLOURS[1])
        alt = f"Ranked by {ranking}, {100 * share:.0f} % of all channels removed: accuracy {score:.3f}."
        return Picture(body, 730, 68 + 18 * max(2, len(left)), alt)

    chosen = ipywidgets.Dropdown(options=list(rankings), description="ranking")
    share = ipywidgets.FloatSlider(value=0.3, min=0, max=1, step=0.05, description="share of channels removed")
    return live(draw, ranking=chosen, share=share)


SCHEDULES = ("cosine", "constant")
AXES = {"lr": "learning rate", "temperature": "temperature", "alpha": "weight α"}


def sweep(record: Record) -> Live:
    """The points of a sweep over one of their settings, for a number of seeds; the best one, and what it has elsewhere.

    Args:
        record: rows of validation accuracies ``val`` by setting and seed.
    """
    settings = settings_of(record.rows)
    scores = np.array([[100 * v for v in record.values("val", **setting)] for setting in settings])
    low, high = float(scores.min()), float(scores.max())

    def draw(axis: str, seeds: int) -> Picture:
        means = scores[:, :seeds].mean(axis=1)
        best = int(means.argmax())
        values = np.array([float(str(setting[axis])) for setting in settings])
        values = values if axis == "alpha" else np.log(values)
        across = 70 + 390 * (values - values.min()) / (values.max() - values.min())
        up = 220 - 180 * (means - low) / (high - low)
        body = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{8 if i == best else 5}" fill="{COLOURS[1 if i == best else 0]}"/>'
            for i, (x, y) in enumerate(zip(across, up, strict=True))
        )
        many = f"{seeds} seed{'s' * (seeds > 1)}"
        body += text(20, 20, f"validation accuracy, mean of {many}", weight="bold")
        body += text(20, 44, f"{high:.0f} %") + text(20, 224, f"{low:.0f} %")
        body += text(265, 250, f"{AXES[axis]} →", "middle")
        lines = [f"the best: setting {best + 1}", *(f"{name}: {v}" for name, v in settings[best].items())]
        lines += [f"with these seeds {means[best]:.1f} %"]
        rest = scores[best, seeds:]
        lines += [f"with the other {len(rest)}: {rest.mean():.1f} %"] if len(rest) else ["no seed is left to ask"]
        body += "".join(text(500, 50 + 20 * i, line) for i, line in enumerate(lines))
        left = f", {rest.mean():.1f} % with the other seeds" if len(rest) else ""
        alt = f"Over the {AXES[axis]}, {many}: setting {best + 1} is the best with {means[best]:.1f} %{left}."
        return Picture(body, 720, 262, alt)

    axis = ipywidgets.Dropdown(options=[(name, key) for key, name in AXES.items()], description="to the right")
    return live(draw, axis=axis, seeds=ipywidgets.IntSlider(value=1, min=1, max=scores.shape[1], description="seeds"))


def stopping(record: Record) -> Live:
    """Recorded curves of validation accuracy, and where a rule stops them: patience, or two windows compared.

    Args:
        record: rows by ``teaching`` and ``schedule``, each with its ``curve``.
    """
    curves = {
        s: [100 * np.array(c) for c in record.values("curve", teaching="consistent", schedule=s)] for s in SCHEDULES
    }

    def draw(rule: str, epochs: int, schedule: str) -> Picture:
        curve = curves[schedule][0]
        ends = [_stop(values, rule, epochs) for values in curves[schedule]]
        left = [float(values.max() - values[:end].max()) for values, end in zip(curves[schedule], ends, strict=True)]
        low, high, end = float(curve.min()), float(curve.max()), ends[0]
        across, up = 70 + 400 * np.arange(len(curve)) / len(curve), 215 - 170 * (curve - low) / (high - low)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))
        body = f'<polyline points="{points}" fill="none" stroke="#999" stroke-width="1.5"/>'
        body += f'<circle cx="{across[end - 1]:.1f}" cy="{up[end - 1]:.1f}" r="7" fill="{COLOURS[1]}"/>'
        body += text(20, 20, "validation accuracy over epochs", weight="bold")
        body += text(20, 48, f"{high:.0f} %") + text(20, 218, f"{low:.0f} %")
        body += text(70, 245, "1") + text(470, 245, f"{len(curve)} epochs", "end")
        lines = [f"stops after {end} of {len(curve)} epochs", f"a later epoch is {left[0]:.1f} points better", ""]
        lines += [f"all {len(ends)} trainings: {np.mean(ends):.0f} epochs", f"{np.mean(left):.1f} points left behind"]
        body += "".join(text(500, 70 + 22 * i, line) for i, line in enumerate(lines))
        alt = f"{rule.capitalize()} of {epochs}, {schedule} rate: stops after {end} epochs, {left[0]:.1f} points left."
        return Picture(body, 740, 262, alt)

    rule = ipywidgets.Dropdown(options=["patience", "window"], description="rule")
    schedule = ipywidgets.Dropdown(options=list(SCHEDULES), description="rate")
    return live(
        draw, rule=rule, epochs=ipywidgets.IntSlider(value=3, min=2, max=40, description="epochs"), schedule=schedule
    )


def _stop(values: Any, rule: str, epochs: int) -> int:
    """After how many epochs patience, or the plateau rule with such a window, stops; the last where it does not."""
    for n in range(1, len(values) + 1):
        flat = (
            plateaued(values[:n].tolist(), window=epochs) if rule == "window" else n - 1 - values[:n].argmax() >= epochs
        )
        if flat:
            return n
    return len(values)


def strength(record: Record) -> Live:
    """A source of targets and its strength in two lists, and what the students so taught are like.

    Args:
        record: ``strengths``: rows by ``source`` and ``strength``, zero among them; no student is trained here.
    """
    sources = dict.fromkeys(str(row["source"]) for row in record.rows)
    strengths = sorted({float(row["strength"]) for row in record.rows})
    asked = {"right answers, %": "accuracy", "as the teacher says, %": "agreement", "calibration error": "calibration"}

    def draw(source: str, strength: float) -> Picture:
        body, said = text(120, 53, "with it", "end") + text(120, 71, "labels alone", "end"), []
        for i, (title, key) in enumerate(asked.items()):
            values = [100 * record.mean(key, source=source, strength=at) for at in (strength, 0.0)]
            limits = (0, 30) if key == "calibration" else (0, 100)
            body += bars(130 + 240 * i, 40, title, values, limits=limits, width=165, digits=1, colour=COLOURS[i])
            said.append(f"{title}: {values[0]:.1f} against {values[1]:.1f}")
        return Picture(body, 850, 90, f"{source.capitalize()}, strength {strength:g}. {'; '.join(said)}.")

    chosen = ipywidgets.Dropdown(options=list(sources)[::-1], description="source")
    stops = [(f"{value:g}", value) for value in strengths]
    menu = ipywidgets.Dropdown(options=stops, value=strengths[-1], description="strength α")
    return live(draw, source=chosen, strength=menu)


def sharing(record: Record) -> Live:
    """A teacher in a list, on a slider how many students share it, and what one of them then costs, and is worth.

    Args:
        record: ``compute``: rows by ``teacher`` and ``epochs``, among them the teacher "none"; nothing is trained here.
    """
    teachers = [name for name in dict.fromkeys(str(row["teacher"]) for row in record.rows) if name != "none"]
    epochs = min(max(row["epochs"] for row in record.where(teacher=name)) for name in ("none", *teachers))
    parts = {"learning": "its own training", "raising": "the teacher's", "asking": "the answers"}

    def draw(teacher: str, students: int) -> Picture:
        prices, said, body = {}, [], ""
        for name in ("none", teacher):
            one = {"teacher": name, "epochs": epochs, "rates": "own"}
            prices[name] = [record.mean(k, **one) / 1e9 / (1 if k == "learning" else students) for k in parts]
            said.append(f"{sum(prices[name]):,.0f} billion for {100 * record.mean('test', **one):.1f} %")
        widest = max(sum(values) for values in prices.values())
        for at, (name, values) in enumerate(prices.items()):
            x, y = 170.0, 30 + 40 * at
            body += text(160, y + 17, "labels alone" if name == "none" else "with the teacher", "end")
            for value, colour in zip(values, (COLOURS[1], COLOURS[0], COLOURS[2]), strict=True):
                body += f'<rect x="{x:.1f}" y="{y}" width="{400 * value / widest:.1f}" height="24" fill="{colour}"/>'
                x += 400 * value / widest
            body += text(x + 8, y + 17, said[at])
        for i, (words, colour) in enumerate(zip(parts.values(), (COLOURS[1], COLOURS[0], COLOURS[2]), strict=True)):
            body += f'<rect x="{170 + 160 * i}" y="112" width="13" height="13" fill="{colour}"/>'
            body += text(190 + 160 * i, 123, words)
        whose = "shared by" if students > 1 else "paid for by"
        alt = f"A teacher {whose} {students} student" + "s" * (students > 1)
        return Picture(body, 800, 138, f"{alt}. Labels alone: {said[0]}; with the teacher: {said[1]}.")

    names = {
        name: "the course's own" if name == "shipped" else f"{name} epoch" + "s" * (name != "1") for name in teachers
    }
    menu = ipywidgets.Dropdown(options=[(words, name) for name, words in names.items()], description="teacher")
    stops = (1, 2, 3, 5, 10, 20, 50, 100, 300, 1000)
    return live(draw, teacher=menu, students=ipywidgets.SelectionSlider(options=stops, description="students"))


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


def task_weight(record: Record) -> Live:
    """The weight of the box on a slider, and what two-headed students reach with it on validation canvases.

    Args:
        record: ``task_weights_grid``: a student was trained for every weight and method, and none is trained here.
    """
    weights = sorted({float(row["weight"]) for row in record.rows})
    of = {"labels alone": "labels", "taught": "taught"}
    asked = {"right classes, %": "accuracy", "mean IoU of the boxes, %": "mean_iou"}

    def draw(weight: float) -> Picture:
        body, said = "", []
        for i, (title, key) in enumerate(asked.items()):
            values = [100 * record.mean(key, method=method, weight=weight) for method in of.values()]
            body += bars(130 + 330 * i, 40, title, values, limits=(0, 100), width=220, digits=1, colour=COLOURS[i])
            said.append(f"{title}: " + ", ".join(f"{n} {v:.1f}" for n, v in zip(of, values, strict=True)))
        body += "".join(text(120, 53 + 18 * k, name, "end") for k, name in enumerate(of))
        return Picture(body, 760, 90, f"Weight of the box {weight:g}. {'; '.join(said)}.")

    stops = [(f"{weight:g}", weight) for weight in weights]
    slider = ipywidgets.SelectionSlider(options=stops, value=weights[0], description="weight of the box")
    return live(draw, weight=slider)


def partition(part: Part, *, clients: int = 10, seed: int = 0) -> Live:
    """Dirichlet's alpha on a slider, its convention in a list, and who then holds how many images of each class.

    Args:
        part: labelled images; its classes' names stand beside the rows.
        clients: how many owners.
        seed: of the draw.
    """
    names = part.classes or tuple(map(str, range(int(part.labels.max()) + 1)))

    def draw(alpha: float, convention: str) -> Picture:
        counts = divide(part, clients=clients, how="dirichlet", alpha=alpha, convention=convention, seed=seed).counts
        body = "".join(text(100, 44 + 24 * c, name, "end") for c, name in enumerate(names))
        for k, row in enumerate(counts.tolist()):
            x = 130 + 44 * k
            body += text(x, 14, str(k), "middle") + text(x, 48 + 24 * len(names), str(sum(row)), "middle")
            for c, n in ((c, n) for c, n in enumerate(row) if n):
                radius = 11 * (n / (len(part) / clients)) ** 0.5
                body += f'<circle cx="{x}" cy="{40 + 24 * c}" r="{min(radius, 14):.1f}" fill="{COLOURS[0]}" '
                body += 'fill-opacity="0.75"/>'
        body += text(100, 14, "owner", "end") + text(100, 48 + 24 * len(names), "images", "end")
        kinds, sizes = (counts > counts.sum(dim=1, keepdim=True) / 50).sum(dim=1), counts.sum(dim=1)
        said = f"Alpha {alpha:g}, {convention}: an owner holds {int(sizes.min())} to {int(sizes.max())} images, and "
        said += f"{int(kinds.min())} to {int(kinds.max())} classes of more than 2 %."
        return Picture(body, 160 + 44 * clients, 60 + 24 * len(names), said)

    stops = [(f"{alpha:g}", alpha) for alpha in (0.05, 0.1, 0.3, 1.0, 10.0, 100.0)]
    slider = ipywidgets.SelectionSlider(options=stops, value=1.0, description="alpha")
    kinds = ipywidgets.Dropdown(options=CONVENTIONS, value=CONVENTIONS[0], description="convention")
    return live(draw, alpha=slider, convention=kinds)
