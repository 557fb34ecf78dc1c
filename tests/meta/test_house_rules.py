"""The house rules that no linter knows: sizes, names, first lines, no word of the lab in fixer. script/shape has more."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(p for top in ("fixer", "lab", "benchmarks", "integrations") for p in (ROOT / top).rglob("*.py"))
TABLES = {"directives.py"}     # data tables live in their own file and are exempt from the size rule


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_file_keeps_the_rules() -> None:
    """One job that it says, short functions, no error swallowed: parsed and walked once, which takes seconds."""
    for path in CODE:
        name, text = relative(path), path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        assert ast.get_docstring(tree), f"{name}: the first line says what is found here"
        assert path.name in TABLES or text.count("\n") <= 400, name
        assert path.stem not in {"utils", "helpers", "common", "manager", "misc"}, name
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{name}:{node.lineno} {node.name} has {length} lines"
            elif isinstance(node, ast.ExceptHandler):
                assert not is_swallowed(node), f"{name}:{node.lineno}"


def test_no_folder_of_tests_is_left_out(request: pytest.FixtureRequest) -> None:
    folders = [path for path in (ROOT / "tests").rglob("*") if path.is_dir() and path.name != "__pycache__"]
    patterns = request.config.getini("norecursedirs")
    assert [relative(path) for path in folders if any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)] == []


def is_swallowed(node: ast.ExceptHandler) -> bool:
    broad = node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
    return broad and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)


def test_no_word_of_the_lab_in_fixer() -> None:
    for path in sorted((ROOT / "fixer").rglob("*.py")):
        found = re.findall(r"badgateway\.lab|\bscenario\b|\boracle\b|shop-[0-9a-f]{4}", path.read_text(encoding="utf-8"))
        assert not found, f"{relative(path)}: {found}"


def test_no_evidence_is_a_line_of_nginx_without_its_end() -> None:
    """What is shown is cut by the page alone, and it says so; `raw` has a limit of its own."""
    for path in sorted((ROOT / "fixer").rglob("*.py")):
        assert not re.search(r"Evidence\([^()]*(?:\([^()]*\)[^()]*)*\.raw\[", path.read_text(encoding="utf-8")), relative(path)


def test_no_protocol_of_fixer_is_asked_of_an_object() -> None:
    """isinstance of a protocol imports inspect since Python 3.12, in the middle of every look."""
    for path in sorted((ROOT / "fixer").rglob("*.py")):
        assert "runtime_checkable" not in path.read_text(encoding="utf-8"), relative(path)


def test_the_lab_reads_fields_of_a_deployment() -> None:
    """A name in quotes is not checked by mypy. Only what a scenario's author writes is looked up by name."""
    for path in sorted((ROOT / "lab").rglob("*.py")):
        found = re.findall(r"\b(?:full|drawn|params|parameters)(?:\[\s*[\"']|\.get\(\s*[\"'])\w*", path.read_text(encoding="utf-8"))
        assert not found, f"{relative(path)}: {found}"


def test_no_line_of_a_scenario_is_wide() -> None:
    for path in sorted((ROOT / "scenarios").rglob("*")):
        wide = [n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if len(line) > 120] if path.is_file() else []
        assert not wide, f"{relative(path)}: lines {wide} are wider than 120 columns"


def test_no_unfinished_marks() -> None:
    for path in CODE:
        found = re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b|NotImplementedError", path.read_text(encoding="utf-8"))
        assert not found, f"{relative(path)}: {found}"


# Who reads a path, a size, a port or a host out of a line of nginx's log after asking for its kind.
READ_FROM_A_LINE = {
    "fixer/causes/disk_full.py", "fixer/causes/dns_unresolved/__init__.py", "fixer/causes/nginx_down/lost_workers.py",
    "fixer/causes/nginx_not_reloaded/__init__.py", "fixer/causes/no_resolver.py",
}
COMPARED = re.compile(r"\b(?:e|event|last)\.(?:message|phase)\.(?:starts|ends)with|(?:match|search)\((?:e|event)\.message"
                      r"|\" in (?:e|event)\.(?:message|phase)|\b(?:e|event)\.errno (?:==|!=|in|not in) ")


def test_what_a_line_of_nginx_means_is_asked_by_its_kind() -> None:
    found = {relative(p) for p in sorted((ROOT / "fixer").rglob("*.py")) if COMPARED.search(p.read_text(encoding="utf-8"))}
    assert {name for name in found if not name.startswith(("fixer/nginx/", "fixer/hosts/"))} == READ_FROM_A_LINE



def lazy_names(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """What the blocks `with lazy_imports():` of a module name: the name -> (module, name there or "")."""
    blocks = [node for node in tree.body if isinstance(node, ast.With) and ast.unparse(node.items[0]) == "lazy_imports()"]
    return {alias.asname or alias.name: (line.module, alias.name) if isinstance(line, ast.ImportFrom) else (alias.name, "")
            for block in blocks for line in block.body for alias in line.names}


def meant_by(module: str, name: str) -> object:
    found = importlib.import_module(module)
    return found if not name else getattr(found, name, None) or importlib.import_module(f"{module}.{name}")


@pytest.mark.parametrize("path", [p for p in CODE if "\nwith lazy_imports():" in p.read_text(encoding="utf-8")], ids=relative)
def test_what_is_imported_at_its_first_use_is_only_called_or_read_from(path: Path) -> None:
    """A stand-in for a constant is no constant, and one for a class fits no isinstance, except or match."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    meant = {name: meant_by(*where) for name, where in lazy_names(tree).items()}
    assert [name for name, found in meant.items() if not (inspect.ismodule(found) or callable(found))] == []
    functions = {name for name, found in meant.items() if inspect.isroutine(found)}
    nodes = list(ast.walk(tree))
    written = [getattr(node, field, None) for node in nodes for field in ("annotation", "returns")]
    allowed = {id(part) for whole in written if whole is not None for part in ast.walk(whole)}
    allowed |= {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    allowed |= {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    assert [f"{node.id} in line {node.lineno}" for node in nodes
            if isinstance(node, ast.Name) and node.id in meant.keys() - functions and id(node) not in allowed] == []
