"""A run whose last lines may be about a dependency that they do not name."""

from __future__ import annotations

import pytest

from tests.causes.crash_dependency_down.stopped_dependency_builders import CAUSE, DATABASE, TOLD, ended, told, verbs
from tests.causes.snapshot_builders import finding_of, roots


@pytest.mark.parametrize("lines", [
    (), ("INFO:     Started server process [300]", "INFO:     Waiting for application startup."),
    ("Traceback (most recent call last):", "ConnectionRefusedError: [Errno 111] Connection refused"),
    ("shop: the database is not there, giving up",),
])
def test_hit_it_ends_without_naming_the_database_that_is_stopped(lines: tuple[str, ...]) -> None:
    found = told(ended(*lines)).findings[0]
    assert (found.cause, found.confidence, found.service) == (CAUSE, "likely", DATABASE)
    assert TOLD.source in found.evidence and found.repairs[0].risk == "safe"
    assert verbs(found) == [("start", DATABASE), ("reset-failed", "backend.service"), ("start", "backend.service")]


def test_an_error_that_may_be_about_anything_is_only_possible_and_a_persons() -> None:
    said = told(ended("Traceback (most recent call last):", "RuntimeError: start-up failed"))
    found = finding_of(said, CAUSE)
    assert CAUSE not in roots(said) and (found.confidence, found.repairs[0].risk) == ("possible", "manual")
    assert DATABASE in found.repairs[0].manual and "start-up failed" in found.repairs[0].manual


@pytest.mark.parametrize("line", [
    "ModuleNotFoundError: No module named 'shop'", "ValueError: no such plan", "KeyError: 'SECRET_KEY'",
    "PermissionError: [Errno 13] Permission denied: '/srv/shop/x'",
])
def test_miss_an_error_that_names_something_else(line: str) -> None:
    built = ended("Traceback (most recent call last):", '  File "/srv/shop/app.py", line 3, in <module>', line)
    assert CAUSE not in [f.cause for f in told(built).findings]
