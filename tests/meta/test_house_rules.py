"""The house rules that no linter knows: sizes, names, first lines, no word of the lab in fixer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(p for top in ("fixer", "lab", "benchmarks") for p in (ROOT / top).rglob("*.py"))
TABLES = {"directives.py"}     # data tables live in their own file and are exempt from the size rule


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def trees() -> Iterator[tuple[str, str, ast.Module]]:
    """Every file of the code, read once and together: a thousand tests of a millisecond cost seconds to collect."""
    for path in CODE:
        text = path.read_text(encoding="utf-8")
        yield relative(path), text, ast.parse(text)


def test_a_file_has_one_job_and_says_it() -> None:
    for name, text, tree in trees():
        stem = name.rpartition("/")[2]
        assert ast.get_docstring(tree), f"{name}: the first line says what is found here"
        assert stem in TABLES or text.count("\n") <= 400, name
        assert stem.removesuffix(".py") not in {"utils", "helpers", "common", "manager", "misc"}, name


def test_functions_are_short() -> None:
    for name, _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{name}:{node.lineno} {node.name} has {length} lines"


def test_errors_are_not_swallowed() -> None:
    for name, _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
                silent = all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
                assert not (broad and silent), f"{name}:{node.lineno}"


def test_no_word_of_the_lab_in_fixer() -> None:
    for path in sorted((ROOT / "fixer").rglob("*.py")):
        found = re.findall(r"badgateway\.lab|\bscenario\b|\boracle\b|shop-[0-9a-f]{4}", path.read_text(encoding="utf-8"))
        assert not found, f"{relative(path)}: {found}"


def test_no_unfinished_marks() -> None:
    for path in CODE:
        found = re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b|NotImplementedError", path.read_text(encoding="utf-8"))
        assert not found, f"{relative(path)}: {found}"
