"""Every regular expression that stands in the code of `fixer` and `lab`, and the methods by which it is used."""

from __future__ import annotations

import ast
import copy
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fixer
import lab
from fixer.redaction import allowed

METHODS = frozenset({"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})
_COMPILERS = frozenset({"compile", "regex", "row"})      # `row`: of the table of what a bundle may show
# Patterns that are handed on, with what is called on them there; of others the worst is assumed.
_HANDED_ON = {
    "fixer.formats.exec_status._CREDENTIAL": {"fullmatch"},
    "fixer.nginx.tree._STATEMENT": {"match"},
}
_UNKNOWN = "name_1"         # what a value that only a run knows is taken for: a word, as `re.escape` gives it


@dataclass(frozen=True)
class ProjectPattern:
    """One regular expression: its module, line and name, its text and flags, and the methods that code calls on it.

    `methods` has `search`, the worst case, where the code hands the pattern on and nothing shows what is called.
    """

    module: str
    line: int
    name: str       # of its module, empty if it has none
    text: str | bytes
    flags: int
    methods: frozenset[str]

    @property
    def place(self) -> str:
        """Where it stands, as a test names it."""
        return f"{self.module}:{self.line}"

    @property
    def full_name(self) -> str:
        """Its module and name."""
        return f"{self.module}.{self.name}"

    def compile(self) -> re.Pattern[Any]:
        """Return the pattern, compiled."""
        return re.compile(self.text, self.flags)


@dataclass(frozen=True)
class _Module:
    name: str
    nodes: Mapping[type[ast.AST], Sequence[Any]]     # by their kind: the trees of all modules are walked once
    values: Mapping[str, Any]


def project_patterns() -> list[ProjectPattern]:
    """Return all patterns of the project, in the order of their modules and lines."""
    modules = [_read_module(name) for name in sorted(_module_names())]
    uses = _uses(modules)
    return [pattern for module in modules for pattern in _patterns_of(module, uses)]


def compiled_patterns() -> Iterator[tuple[str, str | bytes]]:
    """Yield (module, text) of each pattern object among the values of the modules, also in tuples and mappings."""
    from fixer.lazy.regex import regex
    for name in _module_names():
        for value in list(vars(importlib.import_module(name)).values()):
            for found in _leaves(value):
                if isinstance(found, re.Pattern):
                    yield name, found.pattern
                elif isinstance(found, regex):     # type: ignore[arg-type, unused-ignore]  a class at run time
                    yield name, found._written[0]


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, (tuple, list, set, frozenset)):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, Mapping):
        for part in list(value.values()):
            yield from _leaves(part)
    else:
        yield value


def _module_names() -> Iterator[str]:
    for package in (fixer, lab):
        root = Path(str(package.__file__)).parent
        for path in root.rglob("*.py"):
            parts = path.relative_to(root.parent).with_suffix("").parts
            if "_data" not in parts and parts[-1] != "__main__":
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read_module(name: str) -> _Module:
    module = importlib.import_module(name)
    nodes: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
        nodes[type(node)].append(node)
    return _Module(name, nodes, vars(module))


def _patterns_of(module: _Module, uses: Mapping[tuple[str, str], set[str]]) -> Iterator[ProjectPattern]:
    calls = [(call, method) for call in module.nodes[ast.Call] if call.args and (method := _method(call)) is not None]
    if not calls:
        return
    named = {id(node): name for name, value in _assignments(module) for node in ast.walk(value)}
    chained = {id(node.value): node.attr for node in module.nodes[ast.Attribute] if node.attr in METHODS}
    for call, method in calls:
        name = named.get(id(call), "")
        if method not in _COMPILERS:
            methods = {method}
        elif id(call) in chained:
            methods = {chained[id(call)]}
        else:
            methods = _HANDED_ON.get(f"{module.name}.{name}") or uses.get((module.name, name), set()) or {"search"}
        for text in _row_texts(call) if method == "row" else _texts(call.args[0], module):
            yield ProjectPattern(module.name, call.lineno, name, text, _flags(call, method, module), frozenset(methods))


def _method(call: ast.Call) -> str | None:
    """Return `compile`, `regex`, `row`, or the function of `re` that a call names; None for any other call."""
    function = call.func
    if isinstance(function, ast.Name) and function.id in ("regex", "row"):
        return function.id
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re" \
            and function.attr in METHODS | _COMPILERS:
        return function.attr
    return None


def _assignments(module: _Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield each name and what is assigned to it; of `a, b = x, y` each name with its own value."""
    for node in module.nodes[ast.Assign]:
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from ((_named(t), v) for t, v in zip(target.elts, node.value.elts, strict=False))
            else:
                yield _named(target), node.value
    for node in module.nodes[ast.AnnAssign]:
        if node.value is not None:
            yield _named(node.target), node.value


def _named(target: ast.expr) -> str:
    return target.id if isinstance(target, ast.Name) else ""


def _uses(modules: list[_Module]) -> dict[tuple[str, str], set[str]]:
    """Return the methods by (module, name) of each pattern: what is called on the name wherever it is known."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for module in modules:
        origin = {alias.asname or alias.name: (node.module or "", alias.name)
                  for node in module.nodes[ast.ImportFrom] for alias in node.names}
        called = {id(node.value): node.attr for node in module.nodes[ast.Attribute]
                  if node.attr in METHODS | {"pattern", "flags"}}
        for node in module.nodes[ast.Name]:
            if isinstance(node.ctx, ast.Load):
                method = called.get(id(node), "search")
                if method in METHODS:
                    found[origin.get(node.id, (module.name, node.id))].add(method)
    return found


def _row_texts(call: ast.Call) -> list[str | bytes]:
    """Return the text of the row that a call names."""
    name = call.args[0]
    return [allowed.pattern(str(name.value))] if isinstance(name, ast.Constant) else []


def _texts(node: ast.expr, module: _Module) -> list[str | bytes]:
    """Return the texts that an expression may give: one, or each branch of a conditional; none if only a run knows."""
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, module), *_texts(node.orelse, module)]
    value = _evaluated(node, module)
    return [value] if isinstance(value, (str, bytes)) else []


def _evaluated(node: ast.expr, module: _Module) -> object:
    try:
        return eval(compile(ast.Expression(node), module.name, "eval"), dict(module.values))
    except (SyntaxError, NameError, AttributeError, TypeError, KeyError, ValueError):
        if isinstance(node, ast.JoinedStr):
            return "".join(str(_evaluated(part, module)) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return _evaluated(node.value, module)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = _evaluated(node.left, module), _evaluated(node.right, module)
            if isinstance(left, bytes) or isinstance(right, bytes):
                return b"".join(part if isinstance(part, bytes) else str(part).encode() for part in (left, right))
            return str(left) + str(right)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            left = copy.copy(_evaluated(node.left, module))
            return left.replace(b"%d", b"1").replace(b"%%", b"%") if isinstance(left, bytes) else left
        return _UNKNOWN


def _flags(call: ast.Call, method: str, module: _Module) -> int:
    """Return the flags of the call, 0 if it has none."""
    at = {"compile": 1, "regex": 1, "row": 1, "sub": 4, "subn": 4, "split": 3}.get(method, 2)
    given = [keyword.value for keyword in call.keywords if keyword.arg == "flags"] or call.args[at : at + 1]
    value = _evaluated(given[0], module) if given else 0
    return int(value) if isinstance(value, int) else 0
