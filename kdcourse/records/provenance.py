"""What made a row: the code that really ran, the constants that it read, data, models and the machine.

A row's hashes say whether it is still today's. They cover the syntax trees (docstrings and annotations aside) of the
experiment and of the notebook's functions that it uses, of every function of the package that ran, the constants and
class bodies that these read, the bundle and the shipped teacher.
"""

import ast
import functools
import hashlib
import importlib
import inspect
import json
import platform
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdcourse._arguments import fail
from kdcourse.data import ASSETS, ImageData, Part, Splits

__all__ = ["Tracer", "assets", "hashes", "machine", "now"]

PACKAGE = Path(__file__).parent.parent
LEFT_OUT = ("ctx", "kind", "type_comment", "type_params")  # fields of a syntax tree that say nothing, or not everywhere
QUIET = (
    "checks",
    "records",
    "plots",
    "widgets",
    "diagrams",
    "_tables",
    "_arguments",
    "_interrupts",
)  # decide no number
PLAIN = (bool, int, float, str, bytes, type(None), torch.dtype, torch.device)


def short(data: bytes | str) -> str:
    """Sixteen hex digits of SHA-256."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:16]


# ---------------------------------------------------------------- the machine


@functools.lru_cache(maxsize=1)
def machine() -> dict[str, str]:
    """Processor kind, instruction set, Python and torch: what decides the last bits."""
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        names = [line.partition(":")[2].strip() for line in file.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def same_kind(made: Mapping[str, Any]) -> bool:
    """Whether a row was made on this kind of processor, with this torch, so that it can be equal to the bit."""
    here = machine()
    return all(made.get(name) == here[name] for name in ("processor", "instructions", "torch"))


# ---------------------------------------------------------------- what ran


class Tracer:
    """Notes, while it lasts, every function of the package that runs; the profiler hook costs about 1%.

        with Tracer() as tracer:
            function()
        tracer.names            # {"kdcourse.training:distill", ...}

    A debugger's or profiler's own hook is put back afterwards.
    """

    def __init__(self) -> None:
        self._codes: dict[int, types.CodeType] = {}
        self._before: Any = None

    def __enter__(self) -> "Tracer":
        codes, known = self._codes, self._codes.keys()

        def hook(frame: types.FrameType, event: str, argument: Any) -> None:
            code = frame.f_code
            if id(code) not in known:
                codes[id(code)] = code

        self._before = sys.getprofile()
        sys.setprofile(hook)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(self._before)

    @property
    def names(self) -> set[str]:
        """The functions and methods that ran, as module:qualified name; nested ones count as the one around them."""
        found = set()
        for code in self._codes.values():
            path = Path(code.co_filename)
            if path.is_relative_to(PACKAGE) and path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in QUIET:
                name = _place(path, code.co_firstlineno)
                found |= {name} if name else set()
        return found


@functools.lru_cache(maxsize=256)
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.lru_cache(maxsize=4096)
def _place(path: Path, line: int) -> str:
    """module:function or module:Class.method around a line; empty for module level."""
    for node in _tree(path).body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        if not first <= line <= (node.end_lineno or first):
            continue
        if isinstance(node, ast.ClassDef):
            inner = (n for n in node.body if isinstance(n, ast.FunctionDef))
            for method in inner:
                start = min([method.lineno, *(d.lineno for d in method.decorator_list)])
                if start <= line <= (method.end_lineno or start):
                    return f"{_module_name(path)}:{node.name}.{method.name}"
            return f"{_module_name(path)}:{node.name}"
        if isinstance(node, ast.FunctionDef):
            return f"{_module_name(path)}:{node.name}"
    return ""


# ---------------------------------------------------------------- hashes of code


class _Bare(ast.NodeTransformer):
    """A syntax tree without docstrings and annotations."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            argument.annotation = None
        for star in (node.args.vararg, node.args.kwarg):
            if star is not None:
                star.annotation = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
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


def _nodes(path: Path, qualified: str) -> list[ast.stmt]:
    """The definition of that name; for a method its class's own body besides, other methods aside."""
    outer, _, method = qualified.partition(".")
    node = next((n for n in _tree(path).body if getattr(n, "name", None) == outer), None)
    if node is None:
        return []
    if not isinstance(node, ast.ClassDef):
        return [node]
    body = [n for n in node.body if not isinstance(n, ast.FunctionDef)] or [ast.Pass()]
    shell = ast.ClassDef(node.name, node.bases, node.keywords, body, node.decorator_list)
    shell.type_params = []  # type: ignore[attr-defined, unused-ignore]
    ast.copy_location(shell, node)
    own = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == method]
    return [ast.fix_missing_locations(shell), *own] if own or not method else []


@functools.lru_cache(maxsize=4096)
def _code(name: str) -> tuple[str, tuple[str, ...]]:
    """(hash, names of the constants that it reads) of module:qualified name; ("gone", ()) where it is no more."""
    module_name, _, qualified = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        return "gone", ()
    nodes = _nodes(Path(module.__file__ or ""), qualified)
    if not nodes:
        return "gone", ()
    text = "\n".join(bare(ast.unparse(node)) for node in nodes)
    read = sorted({c for node in nodes for c in _constants(node, vars(module), module_name)})
    return short(text), tuple(read)


def _constants(node: ast.AST, namespace: Mapping[str, Any], module: str) -> set[str]:
    """Names of the plain module-level values that a tree reads, here or as an attribute of one of our modules."""
    found = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and one.id in namespace and _is_constant(namespace[one.id]):
            found.add(f"{module}:{one.id}")
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
            owner = namespace.get(one.value.id)
            ours = isinstance(owner, types.ModuleType) and owner.__name__.startswith("kdcourse")
            if ours and _is_constant(getattr(owner, one.attr, _MISSING)):
                found.add(f"{owner.__name__}:{one.attr}")  # type: ignore[union-attr]
    return found


_MISSING = object()


def _is_constant(value: Any, inside: bool = False) -> bool:
    """Plain data; inside a container classes and functions too, which count by their names."""
    if isinstance(value, PLAIN) or (inside and (isinstance(value, type) or inspect.isroutine(value))):
        return True
    if isinstance(value, (tuple, list, set, frozenset)):
        return all(_is_constant(v, True) for v in value)
    return isinstance(value, dict) and all(_is_constant(k, True) and _is_constant(v, True) for k, v in value.items())


def _constant(name: str) -> str:
    module, _, attribute = name.partition(":")
    try:
        value = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return "gone"
    return short(_text(value))


def _text(value: Any) -> str:
    """A plain value as text that does not depend on the order of a set or a dict."""
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{_text(k)}: {_text(v)}" for k, v in value.items())) + "}"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(map(_text, value))) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_text, value)) + "]"
    named = isinstance(value, type) or inspect.isroutine(value)
    return f"{value.__module__}.{value.__qualname__}" if named else repr(value)


# ---------------------------------------------------------------- hashes of what a notebook's function uses


def notebook(function: Callable[..., Any], name: str = "function") -> dict[str, str]:
    """{"notebook:name": hash} of a function, the notebook's functions and classes that it uses, and their globals.

    Raises TypeError for a global object that cannot be hashed.
    """
    found: dict[str, str] = {}
    _follow(check_function(function, name), found)
    return found


def check_function(function: Callable[..., Any], name: str = "function") -> types.FunctionType:
    """The plain function behind its decorators; refused where there is none."""
    plain = inspect.unwrap(function)
    if isinstance(function, functools.partial) or not isinstance(plain, types.FunctionType):
        raise fail(name, "be a plain function", type(function).__name__, "Define it with def.", TypeError)
    return plain


def _follow(function: types.FunctionType, found: dict[str, str]) -> None:
    key = f"notebook:{function.__qualname__}"
    if key in found:
        return
    source = inspect.cleandoc("\n" + inspect.getsource(function))
    found[key] = short(bare(source))
    _follow_names(ast.parse(source), function.__globals__, function.__module__, found)
    closed = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, closed, strict=True):
        _value(f"{function.__qualname__}.{name}", cell.cell_contents, function.__globals__, function.__module__, found)


def _follow_names(tree: ast.AST, namespace: Mapping[str, Any], module: str, found: dict[str, str]) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in namespace:
            _value(node.id, namespace[node.id], namespace, module, found)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = namespace.get(node.value.id)
            ours = isinstance(owner, types.ModuleType) and owner.__name__.startswith("kdcourse")
            value = getattr(owner, node.attr, _MISSING) if ours else _MISSING
            if value is not _MISSING and _is_constant(value):
                found[f"constant:{owner.__name__}:{node.attr}"] = short(_text(value))  # type: ignore[union-attr]


def _value(name: str, value: Any, namespace: Mapping[str, Any], module: str, found: dict[str, str]) -> None:
    """Add what a global holds; the package's and other libraries' own functions are traced or named elsewhere."""
    key = f"notebook:{name}"
    inner = inspect.unwrap(value) if callable(value) and not isinstance(value, (type, nn.Module)) else value
    if key in found or isinstance(value, types.ModuleType):
        return
    if isinstance(inner, types.FunctionType):
        if inner.__module__ == module:
            _follow(inner, found)
    elif isinstance(value, type):
        if value.__module__ == module:
            source = inspect.cleandoc("\n" + inspect.getsource(value))
            found[key] = short(bare(source))
            _follow_names(ast.parse(source), namespace, module, found)
    elif isinstance(value, functools.partial):
        _value(f"{name}.func", value.func, namespace, module, found)
        found[key] = _held(name, [list(value.args), dict(value.keywords)])
    elif not isinstance(value, (types.BuiltinFunctionType, types.MethodType)) and type(value).__module__ != "typing":
        found[key] = _held(name, value)


_SEEN: dict[
    int, tuple[Any, str]
] = {}  # large objects are hashed once; the object is kept, so that its id stays its own


def _held(name: str, value: Any) -> str:
    """The hash of a global's value: plain data, tensors, arrays, parts and splits, models."""
    if id(value) in _SEEN and _SEEN[id(value)][0] is value and isinstance(value, (Part, Splits, ImageData)):
        return _SEEN[id(value)][1]
    digest = hashlib.sha256()
    _add(digest, name, value)
    found = digest.hexdigest()[:16]
    _SEEN[id(value)] = (value, found)
    return found


def _add(digest: Any, name: str, value: Any) -> None:
    if _is_constant(value):
        digest.update(_text(value).encode())
        return
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        digest.update(_numbers(value))
        return
    if isinstance(value, types.FunctionType):
        digest.update(bare(inspect.cleandoc("\n" + inspect.getsource(value))).encode())
    elif hasattr(value, "digest") and hasattr(value, "rows"):  # another record
        digest.update(value.digest.encode())
    elif isinstance(value, (Path, range, slice)):
        digest.update(repr(value).encode())
    else:
        for item in _items(name, value):
            _add(digest, name, item)


def _numbers(value: Any) -> bytes:
    """Kind, shape and bytes of a tensor, an array or a NumPy number."""
    array = value.detach().cpu().contiguous().numpy() if isinstance(value, Tensor) else np.ascontiguousarray(value)
    return f"{array.dtype}{array.shape}".encode() + array.tobytes()


def _items(name: str, value: Any) -> list[Any]:
    """What an object holds, in an order of its own."""
    if isinstance(value, Part):
        return [value.images, value.labels, value.indices, value.soft]
    if isinstance(value, Splits):
        return [value.train, value.val, value.test]
    if isinstance(value, ImageData):
        return [value.train, value.test]
    if isinstance(value, nn.Module):
        return [repr(value), *(item for pair in value.state_dict().items() for item in pair)]
    if isinstance(value, Mapping):
        return [item for key in sorted(value, key=repr) for item in (repr(key), value[key])]
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    raise fail(f"the global {name}", "be of a kind that can be hashed", type(value).__name__,
               "Make it inside the function, or from plain data, tensors, parts or models.", TypeError)  # fmt: skip


# ---------------------------------------------------------------- all of it


@functools.lru_cache(maxsize=1)
def assets() -> dict[str, str]:
    """Checksums of the bundle and of the shipped teacher."""
    files = {
        "asset:bundle": ASSETS / "fashion-mnist" / "bundle.json",
        "asset:teacher": ASSETS / "teacher" / "config.json",
    }
    sums = {name: json.loads(path.read_text(encoding="utf-8"))["sha256"] for name, path in files.items()}
    return {name: short(json.dumps(value, sort_keys=True)) for name, value in sums.items()}


def hashes(names: set[str], function: Callable[..., Any]) -> dict[str, str]:
    """All that made a row: the functions that ran, the constants that they read, the notebook's own, the assets."""
    found = {f"ran:{name}": _code(name)[0] for name in names}
    found |= {f"constant:{c}": _constant(c) for name in names for c in _code(name)[1]}
    return dict(sorted({**found, **notebook(function), **assets()}.items()))


def now(recorded: Mapping[str, str], function: Callable[..., Any] | None) -> dict[str, str]:
    """What the same names hash to today; "gone" where there is no such thing any more.

    Args:
        recorded: a row's hashes.
        function: the notebook's; None where only the package is at hand, and then the notebook's names are left out.
    """
    own = notebook(function) if function is not None else {}
    found = {}
    for name in recorded:
        kind, _, rest = name.partition(":")
        if kind == "ran":
            found[name] = _code(rest)[0]
        elif kind == "constant":
            found[name] = _constant(rest)
        elif kind == "asset":
            found[name] = assets().get(name, "gone")
        elif function is not None:
            found[name] = own.get(name, "gone")
    if function is not None:
        found |= {name: value for name, value in own.items() if name not in recorded}
    return found
