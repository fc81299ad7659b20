"""Count lines of code in the package and fail above the house's limits. Blank lines, comments, docstrings aside.

The package's limit leaves out what a lesson shows (diagrams, figures, live controls), grades, or plugs in elsewhere:
each lesson adds to those.
"""

import ast
import io
import sys
import tokenize
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "kdcourse"
APART = (
    "__main__.py",
    "_commands.py",
    "checks",
    "diagrams",
    "figures",
    "widgets",
    "federated/flower.py",
    "federated/deployment.py",
    "hugging.py",
    "plots.py",
)  # what lessons show, what a terminal shows, what grades, what plugs in
LIMITS = {"package": 8000, "module": 400, "function": 40}
SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def docstrings(tree: ast.AST) -> set[int]:
    """Line numbers of all docstrings."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                lines |= set(range(value.lineno, (value.end_lineno or value.lineno) + 1))
    return lines


def code_lines(source: str) -> set[int]:
    """Line numbers that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SKIPPED:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return lines - docstrings(ast.parse(source))


def main() -> int:
    """Print the counts; 1 where a limit is passed."""
    total, broken = 0, []
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text()
        lines, name = code_lines(source), str(path.relative_to(PACKAGE))
        total += 0 if name.startswith(APART) else len(lines)
        functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
        sizes = {f.name: len(lines & set(range(f.lineno, (f.end_lineno or 0) + 1))) for f in functions}
        longest = max(sizes, key=sizes.__getitem__, default="")
        print(f"{name:22} {len(lines):5}   longest function {longest} {sizes.get(longest, 0)}")
        broken += [f"{name} has {len(lines)} lines"] if len(lines) > LIMITS["module"] else []
        broken += [f"{name}: {f} has {n} lines" for f, n in sizes.items() if n > LIMITS["function"]]
    print(f"{'the rooms that are counted':26} {total:5}")
    broken += [f"the package has {total} lines"] if total > LIMITS["package"] else []
    for line in broken:
        print("too long:", line, file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
