"""Write the little images of ``kdcourse.diagrams``, kdcourse/assets/diagrams.safetensors, from the bundled set.

    python tools/build_diagrams.py [--out FILE]

The file holds, by name: ``image:NAME``, twelve bundled training images (the shipped teacher has never seen them);
``logits:NAME`` and ``camera:NAME``, the teacher's logits for each image as it is and as the other camera of
``diagrams.shift`` sees it; ``inversion:STEP`` and ``inversion-logits:STEP``, one image out of an inversion of the
teacher at four of its steps, and the teacher's logits for it; ``maps:NAME`` and ``attention:NAME``, four feature maps
of the ankle boot and the sum of the squares of all, of the teacher's block 6 and of block 2 of an untaught cnn.

The inversion is the one of ``kd.synthesise`` with other weights, chosen by eye so that one picture shows the idea:
100 images at once, 300 steps. Image 69 of them was chosen by eye too; most are caricatures. It takes a minute. The
images of the set come out the same to the byte everywhere; the inversion does on the same kind of processor.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.diagrams._shift import other_camera
from kdcourse.synthesis import batch_norm_distance, total_variation

IMAGES = {
    "T-shirt/top": 123, "Trouser": 76, "Pullover": 26, "Dress": 61, "Coat": 62, "Sandal": 4091, "Shirt": 57,
    "Sneaker": 25, "Bag": 14, "Ankle boot": 85, "Sneaker 2": 9, "Sandal 2": 676,
}  # fmt: skip
STEPS, KEPT, MADE, CHOSEN = 300, (0, 30, 100, 300), 100, 69
NORM, VARIATION, SQUARE, LR = 2.0, 10.0, 1.0, 0.1  # weights of the terms, and Adam's first rate


def invert(teacher: nn.Module) -> dict[int, Tensor]:
    """{step: 100 images}: pixels changed until the teacher sees ten of each class; its weights stay as they are."""
    torch.manual_seed(1)
    wanted = torch.arange(MADE) % 10
    pixels = (0.5 + 0.2 * torch.randn(MADE, 1, 28, 28)).clamp(0, 1).requires_grad_()
    heard: list[Tensor] = []

    def listen(module: nn.Module, args: Any) -> None:
        heard.append(batch_norm_distance(args[0], module))

    handles = [m.register_forward_pre_hook(listen) for m in teacher.modules() if isinstance(m, nn.BatchNorm2d)]
    optimizer = torch.optim.Adam([pixels], lr=LR)
    stages: dict[int, Tensor] = {}
    for step in range(STEPS + 1):
        if step in KEPT:
            stages[step] = pixels.detach().clone()
        optimizer.param_groups[0]["lr"] = LR * (1 + math.cos(math.pi * step / STEPS)) / 2
        heard.clear()
        down, right = (int(v) for v in torch.randint(-1, 2, (2,)))
        loss = F.cross_entropy(teacher(pixels.roll((down, right), (2, 3))), wanted) + NORM * torch.stack(heard).sum()
        loss = loss + VARIATION * total_variation(pixels) + SQUARE * pixels.square().mean()
        (pixels.grad,) = torch.autograd.grad(loss, [pixels])
        optimizer.step()
        with torch.no_grad():
            pixels.clamp_(0, 1)
    for handle in handles:
        handle.remove()
    return stages


def attention(teacher: nn.Module, image: np.ndarray) -> dict[str, np.ndarray]:
    """Shades from 0 to 255: the four feature maps of each network with the largest sums, and where all are large."""
    x = torch.from_numpy(image / 255).float().reshape(1, 1, 28, 28)
    held = {}
    for name, model, layer in (
        ("teacher", teacher, "block6"), ("student", kd.build("cnn", width=8, seed=0).eval(), "block2"),
    ):  # fmt: skip
        maps = kd.models.features(model, x, [layer])[layer][0].detach()
        largest = maps[maps.sum(dim=(1, 2)).argsort(descending=True)[:4]]
        for kind, values in (("maps", largest), ("attention", maps.square().sum(dim=0))):
            held[f"{kind}:{name}"] = (255 * values / values.max()).round().to(torch.uint8).numpy()
    return held


def main() -> None:
    """Choose, answer, invert, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parent.parent / "kdcourse/assets/diagrams.safetensors"
    parser.add_argument("--out", type=Path, default=default)
    out: Path = parser.parse_args().out
    torch.set_num_threads(1)  # sums in one order
    train, teacher = kd.load().train, kd.load_teacher().eval()

    def answer(image: Any) -> np.ndarray:
        with torch.no_grad():
            logits: np.ndarray = teacher(torch.as_tensor(image, dtype=torch.float32).reshape(1, 1, 28, 28))[0].numpy()
        return logits

    held: dict[str, np.ndarray] = {}
    for name, place in IMAGES.items():
        image = (255 * train.images[place, 0]).round().to(torch.uint8).numpy()
        held[f"image:{name}"] = image
        held[f"logits:{name}"] = answer(image / 255)
        held[f"camera:{name}"] = answer(other_camera(image / 255))
    for step, images in invert(teacher).items():
        image = (255 * images[CHOSEN, 0]).round().to(torch.uint8).numpy()
        held[f"inversion:{step}"], held[f"inversion-logits:{step}"] = image, answer(image / 255)
    held |= attention(teacher, held["image:Ankle boot"])
    save_file(held, out)
    print(f"{out}: {len(held)} arrays, {out.stat().st_size / 1000:.1f} KB")


if __name__ == "__main__":
    main()
