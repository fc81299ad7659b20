"""Controls over recorded experiments: they show what was measured, and train nothing."""

from typing import Any

import numpy as np

from kdcourse.plots import COLOURS
from kdcourse.records import Record
from kdcourse.records.rows import settings_of
from kdcourse.training import plateaued
from kdcourse.widgets._live import Live, Picture, bars, live, text
from kdcourse.widgets._still import ipywidgets

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
