"""Tests of fixer/causes/crash_code_error/own_error.py. Those of crash-code-error try what it finds on whole hosts."""

from __future__ import annotations

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.exits.failed_run import failed_runs
from fixer.causes.crash_code_error.own_error import fault_of
from tests.causes.snapshot_builders import Scene, failed_service, log_lines

TRACE = ("Traceback (most recent call last):", '  File "/srv/shop/main.py", line 4, in <module>', "    run()")


@pytest.mark.parametrize(("last", "kind"), [
    ("ValueError: no such plan", "raised"), ("NameError: name 'x' is not defined", "own"), ("ModuleNotFoundError: No module named 'x'", "import"),
    ("OSError: [Errno 98] Address already in use", None), ("RuntimeError: SECRET_KEY environment variable is not set", None),
    ("redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.", None),
])
def test_what_nothing_outside_of_the_program_explains(last: str, kind: str | None) -> None:
    made = failed_service(log=log_lines("Started backend.service.", *TRACE, last))
    (crash,) = failed_runs(open_case(Scene().with_service(made).refused().snapshot(), {})).found
    fault = fault_of(crash)
    assert (None if fault is None else fault.kind) == kind
