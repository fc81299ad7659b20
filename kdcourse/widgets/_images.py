"""Controls over images and networks: a shift, a pruning, a division among owners."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcourse.data import Part
from kdcourse.federated import CONVENTIONS
from kdcourse.federated import partition as divide
from kdcourse.models import preserved
from kdcourse.plots import COLOURS
from kdcourse.taylor import gated, gates
from kdcourse.widgets._live import Live, Picture, bars, bitmap, live, text
from kdcourse.widgets._still import ipywidgets

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
