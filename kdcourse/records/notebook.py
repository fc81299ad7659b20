"""Hashes of a notebook's own code: the experiment's function and all that it uses from its notebook.

Functions, classes, wrappers and what they hold are followed; data, tensors, splits and models are hashed by what they
hold; what comes from another library counts by its name. A kind of global that cannot be hashed is refused.
"""

import ast
import dis
import functools
import hashlib
import importlib
import inspect
import linecache
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from kdcourse._arguments import fail
from kdcourse.data import ImageData, Part, Splits
from kdcourse.records.package import PLAIN, attribute_owner, bare, constant_text, is_constant, short

__all__ = ["check_function", "used"]


def used(function: Callable[..., Any], name: str = "function") -> dict[str, str]:
    """{"notebook:name": hash} of a function, the notebook's functions and classes that it uses, and their globals.

    Raises TypeError for a global object that cannot be hashed.
    """
    return _Walk(check_function(function, name)).found


def check_function(function: Callable[..., Any], name: str = "function") -> types.FunctionType:
    """The plain function behind its decorators; refused where there is none."""
    plain = inspect.unwrap(function)
    if isinstance(function, functools.partial) or not isinstance(plain, types.FunctionType):
        raise fail(name, "be a plain function", type(function).__name__, "Define it with def.", TypeError)
    return plain


class _Walk:
    """One walk over what a function uses."""

    def __init__(self, function: types.FunctionType) -> None:
        self.found: dict[str, str] = {}
        self._seen: dict[int, Any] = {}
        self._asked: set[tuple[str, int]] = set()
        self._module, self._namespace = function.__module__, function.__globals__
        self._function(function.__qualname__, function)

    def _put(self, name: str, value: str) -> None:
        """Two things of one name (lambdas, closures of one factory) have two entries."""
        key, at = f"notebook:{name}", 2
        while key in self.found:
            key, at = f"notebook:{name}#{at}", at + 1
        self.found[key] = value

    def _again(self, value: Any) -> bool:
        """Whether this very object was met before."""
        if id(value) in self._seen:
            return True
        self._seen[id(value)] = value
        return False

    def _function(self, name: str, function: types.FunctionType) -> None:
        if self._again(function):
            return
        source, tree = _source(function)
        self._put(name, short(source))
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        for i, value in enumerate(v for v in defaults if not isinstance(v, PLAIN)):
            self.value(f"{name}.default{i}", value)
        for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                self.value(f"{name}.{free}", cell.cell_contents)
            except ValueError:  # a cell that is still empty
                continue
        if vars(function).get("__wrapped__") is not None:
            self.value(f"{name}.wrapped", vars(function)["__wrapped__"])
        self._names(_globals_of(function.__code__), tree)

    def _names(self, names: set[str], tree: ast.AST | None) -> None:
        for name in sorted(names & self._namespace.keys()):
            self.value(name, self._namespace[name])
        for node in ast.walk(tree) if tree is not None else ():
            owner = attribute_owner(node, self._namespace)
            if owner is not None and isinstance(node, ast.Attribute):
                self._read(owner, node.attr)
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "kdcourse":
                for alias in node.names:
                    self._read(importlib.import_module(node.module), alias.name)

    def _read(self, owner: types.ModuleType, name: str) -> None:
        value = getattr(owner, name, None)
        key = f"constant:{owner.__name__}:{name}"
        if key not in self.found and hasattr(owner, name) and is_constant(value):
            self.found[key] = short(constant_text(value))
        if isinstance(value, types.FunctionType) and value.__module__ == self._module:
            self.value(f"{owner.__name__}.{name}", value)

    def value(self, name: str, value: Any) -> None:
        """Add what a global, a default or a closure holds; the same one under the same name once."""
        if (name, id(value)) in self._asked:
            return
        self._asked.add((name, id(value)))
        inner = inspect.unwrap(value) if callable(value) and not isinstance(value, (type, nn.Module)) else value
        if isinstance(value, types.ModuleType):
            self._put(name, short(value.__name__))
        elif isinstance(value, types.MethodType):
            self.value(f"{name}.self", value.__self__)
            self.value(f"{name}.function", value.__func__)
        elif isinstance(value, functools.partial):
            self.value(f"{name}.function", value.func)
            self.value(f"{name}.arguments", [list(value.args), dict(value.keywords)])
        elif isinstance(value, types.FunctionType) and value.__module__ == self._module:
            self._function(name if value.__name__ == name else f"{name}={value.__qualname__}", value)
        elif isinstance(inner, types.FunctionType) and inner.__module__ == self._module:
            self._function(name if inner.__name__ == name else f"{name}={inner.__qualname__}", inner)
        elif isinstance(inner, type) and inner.__module__ == self._module:
            self._class(name, inner)
        elif isinstance(inner, (type, types.FunctionType, types.BuiltinFunctionType)) or inspect.isroutine(inner):
            self._put(name, short(f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', inner)}"))
        else:
            self._held(name, value)

    def _class(self, name: str, kind: type) -> None:
        if self._again(kind):
            return
        source, tree = _source(kind)
        self._put(name, short(source))
        names = {n for v in vars(kind).values() if isinstance(v, types.FunctionType) for n in _globals_of(v.__code__)}
        names |= _class_names(tree)
        self._names(names, tree)
        for base in kind.__bases__:
            self.value(f"{name}.{base.__qualname__}", base)

    def _held(self, name: str, value: Any) -> None:
        digest = hashlib.sha256()
        self._add(digest, name, value)
        self._put(name, digest.hexdigest()[:16])

    def _add(self, digest: Any, name: str, value: Any) -> None:
        """Feed a value with its kind and length, so that no two values give the same bytes."""
        if isinstance(value, PLAIN):
            digest.update(f"<{type(value).__name__} {value!r}>".encode())
        elif isinstance(value, (Tensor, np.ndarray, np.generic)):
            digest.update(_numbers(value))
        elif _is_code(value):
            digest.update(b"<code>")
            self.value(f"{name}[]", value)
        elif hasattr(value, "digest") and hasattr(value, "rows"):  # another record
            digest.update(value.digest.encode())
        elif isinstance(value, (Path, range, slice)):
            digest.update(repr(value).encode())
        else:
            items = list(self._items(name, value))
            digest.update(f"<{type(value).__name__} of {len(items)}>".encode())
            for item in items:
                self._add(digest, name, item)

    def _items(self, name: str, value: Any) -> Iterator[Any]:
        """What an object holds, in an order of its own."""
        if isinstance(value, Part):
            yield from (value.images, value.labels, value.indices, value.soft, list(value.classes))
        elif isinstance(value, Splits):
            yield from (value.train, value.val, value.test, list(value.classes))
        elif isinstance(value, ImageData):
            yield from (value.train, value.test)
        elif isinstance(value, nn.Module):
            for module in value.modules():
                if type(module).__module__ == self._module:
                    self._class(f"{name}.{type(module).__qualname__}", type(module))
            yield from (repr(value), [module.training for module in value.modules()])
            yield from (item for pair in value.state_dict().items() for item in pair)
        elif isinstance(value, Mapping):
            yield from (item for key in sorted(value, key=repr) for item in (repr(key), value[key]))
        elif isinstance(value, (list, tuple)):
            yield from value
        elif isinstance(value, (set, frozenset)):
            yield from sorted(value, key=repr)
        elif type(value).__module__ == self._module and hasattr(value, "__dict__"):  # an object of the notebook's class
            self._class(f"{name}.{type(value).__qualname__}", type(value))
            yield dict(vars(value))
        else:
            remedy = "Make it inside the function, or from plain data, tensors, parts or models."
            rule = "be of a kind that can be hashed"
            raise fail(f"the global {name}", rule, type(value).__name__, remedy, TypeError)


# ---------------------------------------------------------------- sources and numbers


def _source(value: Any) -> tuple[str, ast.AST | None]:
    """(bare syntax tree as text, the tree) of a function or class; its code where there is no source of its own."""
    try:
        own = value.__code__ if isinstance(value, types.FunctionType) else value  # not what it wraps
        tree = ast.parse(textwrap.dedent(inspect.getsource(own)))
        return bare(ast.unparse(tree)), tree
    except (OSError, TypeError, SyntaxError):
        pass
    if isinstance(value, type):
        node = _class_node(value)
        if node is None:
            rule = "have a source that can be read"
            raise fail(f"the class {value.__qualname__}", rule, "none", "Give it a method.", TypeError)
        return bare(ast.unparse(node)), node
    code = value.__code__  # a lambda amid other code
    return f"code {code.co_code!r} {code.co_names} {[c for c in code.co_consts if isinstance(c, PLAIN)]}", None


def _class_node(kind: type) -> ast.ClassDef | None:
    """A class defined in a cell: found around one of its methods."""
    for value in vars(kind).values():
        code = getattr(inspect.unwrap(value) if callable(value) else value, "__code__", None)
        if isinstance(code, types.CodeType):
            tree = ast.parse("".join(linecache.getlines(code.co_filename)))
            for node in ast.walk(tree):
                named = isinstance(node, ast.ClassDef) and node.name == kind.__name__
                if named and node.lineno <= code.co_firstlineno <= (node.end_lineno or 0):  # type: ignore[attr-defined]
                    return node  # type: ignore[return-value]
    return None


def _class_names(tree: ast.AST | None) -> set[str]:
    """Names that a class's own body reads: bases, decorators, attributes; its methods' are in their code."""
    if isinstance(tree, ast.Module):
        tree = tree.body[0]
    if not isinstance(tree, ast.ClassDef):
        return set()
    own = [*tree.bases, *tree.decorator_list, *(n for n in tree.body if not isinstance(n, ast.FunctionDef))]
    own += [d for n in tree.body if isinstance(n, ast.FunctionDef) for d in (*n.decorator_list, *n.args.defaults)]
    return {n.id for part in own for n in ast.walk(part) if isinstance(n, ast.Name)}


def _globals_of(code: types.CodeType) -> set[str]:
    """Global names that the code reads, attributes left out."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    read = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return read.union(*(_globals_of(c) for c in inner))


def _is_code(value: Any) -> bool:
    """A function, class, module, or what wraps one: followed, not hashed by what it holds."""
    wraps = isinstance(value, functools.partial) or hasattr(value, "__wrapped__")
    return isinstance(value, (type, types.ModuleType)) or inspect.isroutine(value) or (callable(value) and wraps)


def _numbers(value: Any) -> bytes:
    """Kind, shape and bytes of a tensor, an array or a NumPy number."""
    array = value.detach().cpu().contiguous().numpy() if isinstance(value, Tensor) else np.ascontiguousarray(value)
    return f"<{array.dtype}{array.shape}>".encode() + array.tobytes()
