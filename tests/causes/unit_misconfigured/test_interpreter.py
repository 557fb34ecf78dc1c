"""Tests of fixer/causes/unit_misconfigured/interpreter.py."""

from __future__ import annotations

import pytest

from fixer.model.plan import WriteFile
from tests.causes.paper_machine import diagnose_machine
from tests.causes.unit_misconfigured.unit_misconfigured_builders import GONE, START, edit_of, found, text_of

PROGRAM = "/srv/shop/venv/bin/uvicorn"
APP = {"/srv/shop/app/main.py": "app = 1\n"}


def test_carriage_returns() -> None:
    script = "#!/bin/sh\r\nexec uvicorn app.main:app --port 8000\r\n"
    finding = found(diagnose_machine(START, {**APP, PROGRAM: (script, 0o755), "/bin/sh": ("", 0o755)}, log=GONE))
    assert finding.variant == "start-203-exec-bad-interpreter"
    assert edit_of(finding).after == script.replace("\r", "").encode()


@pytest.mark.parametrize(("interpreter", "files", "expected"), [
    ("/usr/local/bin/bash", {"/usr/bin/bash": ("", 0o755)}, "/usr/bin/bash"),
    ("/home/old/venv/bin/python3.11", {"/srv/shop/venv/bin/python3.11": ("", 0o755)}, "/srv/shop/venv/bin/python3.11"),
])
def test_an_interpreter_that_moved(interpreter: str, files: dict[str, tuple[str, int]], expected: str) -> None:
    script = f"#!{interpreter} -u\nprint(1)\n"
    finding = found(diagnose_machine(START, {**APP, **files, PROGRAM: (script, 0o755)}, log=GONE))
    assert text_of(finding) == f"#!{expected} -u\nprint(1)\n"


def test_an_interpreter_of_another_version_is_a_choice() -> None:
    script = "#!/srv/shop/venv/bin/python3.9\nprint(1)\n"
    files = {**APP, PROGRAM: (script, 0o755), "/srv/shop/venv/bin/python3": ("", 0o755)}
    finding = found(diagnose_machine(START, files, log=GONE))
    assert finding.repairs[0].needs[0].choices == ("/srv/shop/venv/bin/python3",)
    chosen = found(diagnose_machine(START, files, log=GONE, inputs={"interpreter": "/srv/shop/venv/bin/python3"}))
    assert text_of(chosen).startswith("#!/srv/shop/venv/bin/python3\n")
    nothing = found(diagnose_machine(START, {**APP, PROGRAM: (script, 0o755)}, log=GONE))
    assert nothing.repairs[0].risk == "manual" and f"{PROGRAM}:1" in nothing.repairs[0].manual


def test_the_link_of_an_environment_leads_nowhere() -> None:
    unit = START.replace(PROGRAM, "/srv/shop/venv/bin/python -m uvicorn")
    links = {"/srv/shop/venv/bin/python": "-> python3", "/srv/shop/venv/bin/python3": "-> /usr/local/bin/python3.11"}
    finding = found(diagnose_machine(unit, {**APP, **links, "/usr/bin/python3.11": ("", 0o755)}, log=GONE))
    remove, make = finding.repairs[0].steps[:2]
    assert isinstance(remove, WriteFile) and isinstance(make, WriteFile)
    assert (remove.path, remove.link_target, remove.after) == ("/srv/shop/venv/bin/python3", "/usr/local/bin/python3.11", None)
    assert (make.path, make.link_target, make.after) == ("/srv/shop/venv/bin/python3", "/usr/bin/python3.11", b"")
    other = found(diagnose_machine(unit, {**APP, **links, "/usr/bin/python3.13": ("", 0o755)}, log=GONE))
    assert other.repairs[0].risk == "manual" and "recreate the environment /srv/shop/venv and its packages" in other.repairs[0].manual


def test_a_script_whose_interpreter_is_such_a_link() -> None:
    files = {**APP, PROGRAM: ("#!/srv/shop/venv/bin/python\n", 0o755), "/srv/shop/venv/bin/python": "-> /usr/bin/python3.9"}
    finding = found(diagnose_machine(START, files, log=GONE))
    assert finding.variant == "start-203-exec-bad-interpreter" and f"{PROGRAM} needs an interpreter" in finding.summary


def test_the_interpreter_of_an_environment_is_not_the_systems() -> None:
    """The packages of the script lie in its environment: under another Python they are not there."""
    unit = START.replace(PROGRAM, "/srv/shop/venv/bin/uvicorn")
    files = {**APP, "/srv/shop/venv/bin/uvicorn": ("#!/srv/shop/venv/bin/python3\nprint(1)\n", 0o755),
             "/usr/bin/python3": ("", 0o755)}
    (repair,) = found(diagnose_machine(unit, files, log=GONE)).repairs
    assert repair.risk == "manual" and "If /srv/shop/venv is a Python virtual environment" in repair.manual
