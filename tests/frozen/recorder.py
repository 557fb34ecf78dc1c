"""A pytest plugin: writes down what every diagnosis of the tests in SOURCES was asked and what it answered.

    BADGATEWAY_RECORD=DIR python -m pytest -p tests.frozen.recorder tests/causes

The builders of the tests are the inputs: each worker writes its records into a file of its own below DIR. Other tests may
run beside them: nothing is written of those.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from fixer.causes import Cause
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, IgnoredFinding, Inputs
from fixer.model.snapshot import Snapshot
from tests.frozen.answers import answer_of
from tests.frozen.values import number_of

FOLDER = "BADGATEWAY_RECORD"     # the variable that names where the records go
# The tests whose diagnoses are frozen.
SOURCES = ("tests/analysis", "tests/causes", "tests/diagnose", "tests/findings", "tests/repairs", "tests/test_planner.py",
           "tests/test_policy.py")
_known: dict[str, str] = {}
_test = [""]


def recorded(
    snapshot: Snapshot, inputs: Inputs | None = None, *, causes: Sequence[Cause] | None = None,
    accepted: Sequence[IgnoredFinding] = (),
) -> Diagnosis:
    """The diagnosis, written down on the way."""
    diagnosis = diagnose(snapshot, inputs, causes=causes, accepted=accepted)
    if not _test[0]:
        return diagnosis
    judges = () if causes is None else tuple(cause.id for cause in causes)
    key = number_of((snapshot, inputs or {}, judges, tuple(accepted)))
    _write(key, answer_of(snapshot, diagnosis, inputs))
    return diagnosis


def _write(key: str, answer: dict[str, Any]) -> None:
    text = json.dumps(answer, sort_keys=True, separators=(",", ":"))
    if (before := _known.setdefault(key, text)) is not text:
        assert before == text, f"the same input {key} gave another answer before"
        return
    with open(f"{os.environ[FOLDER]}/{os.getpid()}", "a", encoding="ascii") as file:
        file.write(json.dumps([key, _test[0], text]) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is imported: a test that takes the function by name takes the one that writes."""
    setattr(sys.modules[diagnose.__module__], diagnose.__name__, recorded)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _test[0] = item.nodeid if is_source(item.nodeid) else ""


def is_source(name: str) -> bool:
    """Whether the diagnoses of this test are frozen."""
    return any(name.startswith((f"{source}/", f"{source}::")) for source in SOURCES)
