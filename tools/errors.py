"""Write docs/errors.md: what the package says to bad input, made by running every call of tests/bad_inputs.py.

python tools/errors.py [--check]
"""

import os
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
INTRODUCTION = """\
# What kdcourse says to bad input

Made by `python tools/errors.py`: every call below is run, and refused before any long work by the message beside it,
which names the argument, the rule, the value received and the remedy. `x`, `y` are 64 rows of 8 numbers with 3 classes,
`z` logits, `part` and `splits` garments, `own` a small network of one's own, `lm` a small language model, `ids` its
sentences."""


def namespace(folder: Path) -> dict[str, Any]:
    """The small things that the calls use."""
    import torch
    from torch import nn

    import kdcourse as kd
    from kdcourse._intervals import Difference

    torch.manual_seed(0)
    data = kd.load()
    whole = kd.split(data, val=0.2, seed=0)

    def first(part: Any, n: int) -> Any:
        return part.select(torch.cat([(part.labels == c).nonzero().flatten()[: n // 10] for c in range(10)]))

    small = kd.data.Splits(first(whole.train, 400), first(whole.val, 200), first(whole.test, 300), whole.classes)
    model, teacher = kd.build("cnn", width=4, seed=1), kd.build("cnn", width=4, seed=2)
    kd.save_frozen(teacher, folder / "frozen")
    x, y = torch.rand(64, 8), torch.arange(64) % 3
    own = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    d = Difference(0.001, -0.01, 0.012, [0.001] * 5)
    batch = (small.train.images[:8], small.train.labels[:8])
    names = {"kd": kd, "torch": torch, "data": data, "splits": small, "part": small.train, "batch": batch}
    names |= {"model": model, "teacher": teacher, "own": own, "x": x, "y": y, "z": torch.randn(64, 3), "d": d}
    names |= {"lm": kd.language.language_model(4), "ids": kd.language.brackets(16, seed=0)}
    return names | {"folder": str(folder / "new"), "frozen": str(folder / "frozen"), "__file__": __file__}


def said(call: str, names: dict[str, Any]) -> str:
    """The message with which a call is refused; paths of this machine blanked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            eval(call, dict(names))
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        text = " ".join(str(error).split())
        return re.sub(r"(?:/[\w.+-]*[\w+-]){2,}", "…", text)
    raise SystemExit(f"{call} is not refused")


def page() -> str:
    """The whole page."""
    from tests.bad_inputs import rows

    os.environ["TQDM_DISABLE"] = "1"
    os.environ.setdefault("KDCOURSE_PROGRESS", "")
    lines = [INTRODUCTION, ""]
    group = ""
    with tempfile.TemporaryDirectory() as folder:
        names = namespace(Path(folder))
        for own, call in rows():
            if own != group:
                lines += ["", f"## {own}", "", "| call | it says |", "|---|---|"]
                group = own
            message = said(call, names).replace("|", "\\|").replace("<", "\\<").replace(folder, "…")
            lines.append(f"| `{call.replace('|', chr(92) + '|')}` | {message} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def main() -> None:
    """Write, or check."""
    path, text = ROOT / "docs/errors.md", page()
    if "--check" in sys.argv:
        if path.read_text(encoding="utf-8") != text:
            raise SystemExit("docs/errors.md is out of step; run python tools/errors.py")
        return
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
