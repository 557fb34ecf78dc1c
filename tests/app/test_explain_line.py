"""The table of error lines and causes agrees with the causes, the pages' examples and the lab's scenarios."""

from __future__ import annotations

import ast
import inspect
import itertools
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from re import _constants as tokens  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from fixer import causes
from fixer.app.cause_catalogue import explain_page
from fixer.app.explain_line import meanings_of, status_of
from fixer.causes import load_causes
from fixer.diagnose.line_meanings import MEANINGS
from fixer.errors import UsageError
from fixer.nginx.error_kinds import KINDS
from lab.scenario.catalog import all_scenarios

IDS = {cause.id for cause in load_causes()}


def test_every_kind_has_one_row_and_every_cause_exists() -> None:
    listed = [kind for meaning in MEANINGS for kind in meaning.kinds]
    assert sorted(listed) == sorted(KINDS - {"other"})
    for meaning in MEANINGS:
        assert set(meaning.causes) <= IDS and len(set(meaning.causes)) == len(meaning.causes), meaning.example


@pytest.mark.parametrize("meaning", MEANINGS, ids=lambda meaning: meaning.example)
def test_an_example_is_explained_by_its_row(meaning: Any) -> None:
    assert meaning in meanings_of(meaning.example)


def samples(pattern: Any) -> Iterator[str]:
    """The shortest texts that a parsed regex matches: one for each way through its alternatives."""
    parts = [list(_texts(operation, argument)) for operation, argument in pattern]
    return ("".join(chosen) for chosen in itertools.product(*parts))


def _texts(operation: Any, argument: Any) -> Iterator[str]:
    if operation is tokens.LITERAL:
        yield chr(argument)
    elif operation is tokens.ANY or operation is tokens.NOT_LITERAL:
        yield "x"
    elif operation is tokens.IN:
        first, value = argument[0]
        kinds = {tokens.CATEGORY_DIGIT: "1", tokens.CATEGORY_NOT_SPACE: "x"}
        yield "x" if first is tokens.NEGATE else kinds[value] if first is tokens.CATEGORY else chr(
            value[0] if first is tokens.RANGE else value)
    elif operation is tokens.SUBPATTERN:
        yield from samples(argument[-1])
    elif operation is tokens.BRANCH:
        for branch in argument[1]:
            yield from samples(branch)
    elif operation in (tokens.MAX_REPEAT, tokens.MIN_REPEAT):
        low, _, repeated = argument
        yield from samples(repeated)
        if low == 0:
            yield " " if repeated[0][0] is tokens.ANY else ""
    else:
        raise AssertionError(operation)


def symptoms() -> Iterator[tuple[str, str, str]]:
    """Variant, cause and log pattern of every scenario that waits for a line."""
    for scenario in all_scenarios().values():
        for variant in scenario.variants:
            cause = variant.expect.cause
            for symptom in variant.symptoms:
                if cause and symptom.get("log"):
                    only_phase = symptom["log"].startswith("while ")
                    yield f"{scenario.name}/{variant.name}", cause, (r"connect\(\) failed \(111\) " if only_phase else "") + symptom["log"]


def test_each_line_that_a_scenario_waits_for_leads_to_its_cause() -> None:
    unknown = []
    seen = 0
    for name, cause, pattern in symptoms():
        lines = list(samples(parser.parse(pattern.replace("{{word}}", "shop"))))
        seen += 1
        if not any(cause in meaning.causes for line in lines for meaning in meanings_of(line)):
            unknown.append((name, cause, pattern))
    assert seen > 100 and unknown == []


def kinds_read(cause: str) -> set[str]:
    """The kinds that the cause's own modules name (those of one word have other meanings too), but for its own id."""
    module = import_module(f"{causes.__name__}.{cause.replace('-', '_')}")
    modules = [module, *(import_module(f"{module.__name__}.{found.name}")
                         for found in pkgutil.iter_modules(getattr(module, "__path__", [])))]
    found: set[str] = set()
    for one in modules:
        found |= {node.value for node in ast.walk(ast.parse(inspect.getsource(one)))
                  if isinstance(node, ast.Constant) and node.value in KINDS and "-" in str(node.value)}
    return found


def test_a_kind_that_a_cause_reads_leads_to_it() -> None:
    rows = {kind: meaning.causes for meaning in MEANINGS for kind in meaning.kinds}
    read = {(kind, cause) for cause in IDS for kind in kinds_read(cause)}
    assert len(read) > 20
    assert sorted((kind, cause) for kind, cause in read if cause not in rows[kind]) == []


@pytest.mark.parametrize(("text", "status"), [
    ("502", "502"), ("504", "504"), ("502 Bad Gateway", "502"), ("bad gateway", "502"), ("HTTP 502", "502"),
    ("error 504", "504"), ("504 Gateway Time-out", "504"), ("gateway timeout", "504"), ("500", ""), ("", ""),
    ("5021", ""), ("wrong-port", ""),
])
def test_the_status_that_a_text_names(text: str, status: str) -> None:
    assert status_of(text) == status


def test_a_status_leads_to_a_command_and_to_the_families() -> None:
    page = explain_page("502")
    assert page.index("sudo fixer diagnose") < page.index("connect() failed (111: Connection refused)")
    families = {cause.family for cause in load_causes()}
    assert all(f"\n  {family}\n" in page for family in families) and all(name in page for name in IDS)
    assert "Connection refused" not in explain_page("504") and "timeout-too-short" in explain_page("504")


def test_a_line_leads_to_its_causes_most_likely_first() -> None:
    page = explain_page("connect() failed (111: Connection refused) while connecting to upstream")
    assert page.index("backend-down ") < page.index("wrong-port ") < page.index("sandbox-denied ")
    assert "fixer diagnose" in page and "no longer" in page
    page = explain_page("limiting requests, excess: 1.2 by zone \"one\"")
    assert "no gateway error" in page and "error-from-config" in page
    page = explain_page("FastCGI sent in stderr: \"PHP message\" while reading response header from upstream")
    assert "most likely" not in page


def test_what_means_nothing_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="no cause is called wrong-prt") as caught:
        explain_page("wrong-prt")
    assert caught.value.hint == "did you mean wrong-port?"


@pytest.mark.parametrize("text", ["413", "client intended to send too large body: 2097152 bytes"])
def test_a_status_or_a_line_that_is_not_explained_is_not_called_a_cause(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        explain_page(text)
    assert text in caught.value.message and "502, 504" in caught.value.hint
