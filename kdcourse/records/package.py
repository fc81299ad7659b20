"""Hashes of the package's own code: functions that ran, and what they read at module level.

The sources are read once, when this module is first imported, so that an edit made while an experiment runs does not
give old values a new hash.
"""

import ast
import enum
import functools
import hashlib
import importlib
import inspect
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "PACKAGE", "QUIET", "bare", "code", "constant_text", "is_constant", "is_quiet", "place", "reading", "short",
]  # fmt: skip

PACKAGE = Path(__file__).parent.parent
# Rooms that decide no number:
QUIET = (
    "__init__", "checks", "records", "figures", "plots", "widgets", "diagrams", "_tables", "_arguments", "_interrupts",
    "_measured", "_bars",
)  # fmt: skip
QUIET_FUNCTIONS = ("kdcourse._feeds:progress_bar",)  # they decide no number either
PLAIN = (bool, int, float, str, bytes, type(None), torch.dtype, torch.device)
LEFT_OUT = ("ctx", "kind", "type_comment", "type_params")  # fields of a syntax tree that say nothing, or not everywhere
SOURCES = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}


def short(data: bytes | str) -> str:
    """Sixteen hex digits of SHA-256."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:16]


# ---------------------------------------------------------------- syntax trees


class _Bare(ast.NodeTransformer):
    """A syntax tree without docstrings and annotations; a class keeps that it has the field."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            argument.annotation = None
        for star in (node.args.vararg, node.args.kwarg):
            if star is not None:
                star.annotation = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [_field(one) if isinstance(one, ast.AnnAssign) else one for one in node.body]
        return self._without_docstring(node)

    def _without_docstring(self, node: Any) -> ast.AST:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node  # type: ignore[no-any-return]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        return None if node.value is None else ast.Assign([node.target], node.value, lineno=node.lineno)


def _field(node: ast.AnnAssign) -> ast.stmt:
    """A dataclass's field: its name and default count, its annotation does not."""
    value = node.value or ast.Constant(...)
    marked = ast.Tuple([ast.Constant("field"), value], ast.Load())
    return ast.fix_missing_locations(ast.copy_location(ast.Assign([node.target], marked, lineno=node.lineno), node))


def bare(source: str) -> str:
    """The syntax tree of a source as text, docstrings and annotations aside; the same with every Python."""
    return _dumped(_Bare().visit(ast.parse(source)))


def _dumped(node: Any) -> str:
    """``ast.dump`` with a form of our own: the library's differs between versions."""
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if name not in LEFT_OUT]
        inside = ", ".join(f"{name}={_dumped(value)}" for name, value in fields if value not in (None, []))
        return f"{type(node).__name__}({inside})"
    return f"[{', '.join(map(_dumped, node))}]" if isinstance(node, list) else repr(node)


def is_quiet(name: str) -> bool:
    """Whether a hash's name, "ran:kdcourse.plots:lines", is of a room whose changes make no record stale."""
    if name.partition(":")[2] in QUIET_FUNCTIONS:
        return True
    module = name.split(":")[1] if name.count(":") > 1 else ""
    first = [*module.split("."), "__init__"][1]
    return module.split(".")[0] == "kdcourse" and first in QUIET


@functools.lru_cache(maxsize=256)
def _tree(path: Path) -> ast.Module:
    return ast.parse(SOURCES.get(path, ""))


def _module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.lru_cache(maxsize=4096)
def place(path: Path, line: int) -> str:
    """module:function or module:Class.method around a line; empty for module level."""
    for node in _tree(path).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and _holds(node, line):
            inner = [n for n in getattr(node, "body", []) if isinstance(n, ast.FunctionDef) and _holds(n, line)]
            method = f".{inner[0].name}" if inner and isinstance(node, ast.ClassDef) else ""
            return f"{_module_name(path)}:{node.name}{method}"
    return ""


def _holds(node: ast.ClassDef | ast.FunctionDef, line: int) -> bool:
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return first <= line <= (node.end_lineno or first)


# ---------------------------------------------------------------- functions that ran, and what they read


@functools.lru_cache(maxsize=4096)
def code(name: str) -> tuple[str, tuple[str, ...]]:
    """(hash, names of what it reads) of module:qualified name; ("gone", ()) where it is no more."""
    module_name, _, qualified = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        return "gone", ()
    outer, _, method = qualified.partition(".")
    node = next((n for n in _tree(Path(module.__file__ or "")).body if getattr(n, "name", None) == outer), None)
    if isinstance(node, ast.ClassDef):
        found: list[Any] = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == method]
        found = found if method else [node]
        read = {f"class:{module_name}:{outer}"} | {r for n in found for r in _reads(n, vars(module), module_name)}
    else:
        found = [] if node is None else [node]
        read = {r for n in found for r in _reads(n, vars(module), module_name)}
    if not found:
        return "gone", ()
    return short("\n".join(bare(ast.unparse(n)) for n in found)), tuple(sorted(read))


def _reads(node: ast.AST, namespace: Mapping[str, Any], module: str) -> set[str]:
    """What a tree reads at module level: constants, classes, and what names of functions and modules are bound to."""
    found = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and one.id in namespace:
            found.add(_kind(namespace[one.id]) + f"{module}:{one.id}")
        owner = attribute_owner(one, namespace)
        if owner is not None and isinstance(one, ast.Attribute) and hasattr(owner, one.attr):
            found.add(_kind(getattr(owner, one.attr)) + f"{owner.__name__}:{one.attr}")
    return found


def attribute_owner(node: ast.AST, namespace: Mapping[str, Any]) -> types.ModuleType | None:
    """The module of ours of which ``a.b.c`` reads ``c``; None where it is none."""
    chain: list[str] = []
    while isinstance(node, ast.Attribute):
        chain.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or not chain:
        return None
    owner = namespace.get(node.id)
    for name in reversed(chain[1:]):
        owner = getattr(owner, name, None) if isinstance(owner, types.ModuleType) else None
    ours = isinstance(owner, types.ModuleType) and owner.__name__.partition(".")[0] == "kdcourse"
    return owner if ours else None


def _kind(value: Any) -> str:
    if isinstance(value, type) and value.__module__.partition(".")[0] == "kdcourse":
        return "class:"
    return "constant:" if is_constant(value) else "bound:"


def reading(name: str) -> str:
    """The hash of a constant, a class's own body, or of what a name is bound to, by ``kind:module:name``."""
    kind, _, rest = name.partition(":")
    module, _, attribute = rest.partition(":")
    try:
        value = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return "gone"
    if kind == "class" and isinstance(value, type):
        return _class(value)
    return short(constant_text(value) if kind == "constant" else _bound(value))


def _bound(value: Any) -> str:
    """What a name stands for, where it is no plain constant: a function or module by its name, other things by kind."""
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, (Tensor, np.ndarray)):
        return short(np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value).tobytes())
    if isinstance(value, re.Pattern):
        return repr(value.pattern)
    if isinstance(value, enum.Enum):
        return repr(value)
    named = getattr(value, "__qualname__", None)
    return f"{value.__module__}.{named}" if named else f"{type(value).__module__}.{type(value).__qualname__}"


@functools.lru_cache(maxsize=1024)
def _class(kind: type) -> str:
    """A class's own body: bases, fields and attributes, and the names of its methods, whose bodies are traced."""
    path = Path(inspect.getfile(kind))
    node = next((n for n in _tree(path).body if getattr(n, "name", None) == kind.__qualname__), None)
    if not isinstance(node, ast.ClassDef):
        return short(f"{kind.__module__}.{kind.__qualname__}")
    methods = sorted(n.name for n in node.body if isinstance(n, ast.FunctionDef))
    body = [n for n in node.body if not isinstance(n, ast.FunctionDef)] or [ast.Pass()]
    shell = ast.copy_location(ast.ClassDef(node.name, node.bases, node.keywords, body, node.decorator_list), node)
    if hasattr(node, "type_params"):
        setattr(shell, "type_params", [])  # noqa: B010 - Python 3.12 wants it
    bases = [f"{c.__module__}.{c.__qualname__}" for c in kind.__mro__ if c.__module__.startswith("kdcourse")]
    text = bare(ast.unparse(ast.fix_missing_locations(shell)))
    return short(f"{kind.__module__}.{kind.__qualname__} {bases} {methods} {text}")


# ---------------------------------------------------------------- constants


def is_constant(value: Any, inside: bool = False) -> bool:
    """Plain data; inside a container classes and functions too, which count by their names."""
    if isinstance(value, PLAIN) or (inside and (isinstance(value, type) or inspect.isroutine(value))):
        return True
    if isinstance(value, (tuple, list, set, frozenset)):
        return all(is_constant(v, True) for v in value)
    return isinstance(value, dict) and all(is_constant(k, True) and is_constant(v, True) for k, v in value.items())


def constant_text(value: Any) -> str:
    """A plain value as text that does not depend on the order of a set or a dict."""
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{constant_text(k)}: {constant_text(v)}" for k, v in value.items())) + "}"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(map(constant_text, value))) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(constant_text, value)) + "]"
    named = isinstance(value, type) or inspect.isroutine(value)
    return f"{value.__module__}.{value.__qualname__}" if named else repr(value)
