"""What the tests of fixer/causes/unit_misconfigured/__init__.py and others are built of."""

from __future__ import annotations

from fixer.model.diagnosis import Diagnosis, Finding
from fixer.model.plan import WriteFile
from tests.causes.snapshot_builders import finding_of, roots

CAUSE = "unit-misconfigured"
PROGRAM = "/srv/shop/venv/bin/uvicorn"
APP = {"/srv/shop/app/main.py": "app = 1\n"}
START = f"User=shop\nWorkingDirectory=/srv/shop\nExecStart={PROGRAM} app.main:app --port 8000\n"
GONE = (f"back.service: Failed at step EXEC spawning {PROGRAM}: No such file or directory",)
SHUT = (f"back.service: Failed at step EXEC spawning {PROGRAM}: Permission denied",)


def found(diagnosis: Diagnosis) -> Finding:
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)


def edit_of(finding: Finding) -> WriteFile:
    (repair,) = finding.repairs
    assert repair.risk == "disruptive" and repair.steps, repair
    step = repair.steps[0]
    assert isinstance(step, WriteFile)
    return step


def text_of(finding: Finding) -> str:
    return (edit_of(finding).after or b"").decode()


CHDIR = "back.service: Failed at step CHDIR spawning /usr/bin/uvicorn: {}"
MOVED = "User=shop\nWorkingDirectory=/srv/old\nExecStart=/usr/bin/uvicorn app.main:app --port 8000\n"
NOT_THERE = (CHDIR.format("No such file or directory"),)
