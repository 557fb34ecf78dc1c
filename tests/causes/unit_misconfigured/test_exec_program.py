"""Tests of fixer/causes/unit_misconfigured/exec_program.py."""

from __future__ import annotations

import pytest

from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from tests.causes.paper_machine import UNIT, diagnose_machine
from tests.causes.snapshot_builders import finding_of, roots
from tests.causes.unit_misconfigured.unit_misconfigured_builders import (
    APP,
    GONE,
    PROGRAM,
    SHUT,
    START,
    edit_of,
    found,
    text_of,
)


def test_hit_the_program_of_the_units_own_environment() -> None:
    finding = found(diagnose_machine(START, {**APP, "/srv/shop/.venv/bin/uvicorn": ("#!/bin/sh\n", 0o755)}, log=GONE))
    assert (finding.variant, finding.confidence) == ("start-203-exec-missing", "certain")
    assert text_of(finding) == f"[Service]\n{START}".replace(PROGRAM, "/srv/shop/.venv/bin/uvicorn")
    assert finding.evidence[0].where == f"{UNIT}:4" and finding.evidence[1].text == "not there"
    kinds = [type(step) for step in finding.repairs[0].steps[:4]]
    assert kinds == [WriteFile, DaemonReload, UnitAction, UnitAction]


@pytest.mark.parametrize(("files", "choices"), [
    ({"/usr/bin/uvicorn": ("#!/bin/sh\n", 0o755)}, ["/usr/bin/uvicorn"]),
    ({"/srv/shop/.venv/bin/uvicorn": ("", 0o755), "/srv/shop/env/bin/uvicorn": ("", 0o755)},
     ["/srv/shop/.venv/bin/uvicorn", "/srv/shop/env/bin/uvicorn"]),
])
def test_where_another_environment_could_be_meant_a_person_says_which(
    files: dict[str, tuple[str, int]], choices: list[str],
) -> None:
    finding = found(diagnose_machine(START, {**APP, **files}, log=GONE))
    (repair,) = finding.repairs
    assert repair.needs[0].key == "program" and list(repair.needs[0].choices) == choices and not repair.steps
    chosen = found(diagnose_machine(START, {**APP, **files}, log=GONE, inputs={"program": choices[0]}))
    assert choices[0] in text_of(chosen)


def test_an_environment_beside_the_missing_one_may_be_meant() -> None:
    """The environment was renamed; the system's program, which lacks what the application imports, was the only choice."""
    unit, renamed = START.replace(PROGRAM, "/opt/shop/venv/bin/uvicorn"), "/opt/shop/venv-old/bin/uvicorn"
    files = {**APP, renamed: ("", 0o755), "/usr/bin/uvicorn": ("", 0o755), "/opt/other/venv/bin/uvicorn": ("", 0o755)}
    (repair,) = found(diagnose_machine(unit, files, log=GONE)).repairs
    assert repair.needs[0].choices == (renamed,) and not repair.steps, "a person says whether it is"
    assert renamed in text_of(found(diagnose_machine(unit, files, log=GONE, inputs={"program": renamed})))


def test_the_systems_own_program_under_another_folder_of_the_system() -> None:
    unit = START.replace(PROGRAM, "/usr/local/bin/uvicorn")
    finding = found(diagnose_machine(unit, {**APP, "/usr/bin/uvicorn": ("#!/bin/sh\n", 0o755), "/bin": "-> usr/bin"}, log=GONE))
    assert "ExecStart=/usr/bin/uvicorn app" in text_of(finding)


def test_another_version_of_the_name_in_the_same_folder() -> None:
    unit = START.replace(PROGRAM, "/opt/py/bin/python -m uvicorn")
    finding = found(diagnose_machine(unit, {**APP, "/opt/py/bin/python3": ("", 0o755), "/opt/py/bin/python.bak": ("", 0o755)}, log=GONE))
    assert "ExecStart=/opt/py/bin/python3 -m uvicorn" in text_of(finding)
    unit = START.replace(PROGRAM, "/opt/shop/serve")
    other = found(diagnose_machine(unit, {**APP, "/opt/shop/serve.sh": ("", 0o755)}, log=GONE))
    assert other.repairs[0].needs[0].choices == ("/opt/shop/serve.sh",)


@pytest.mark.parametrize("folder", ["/usr/bin", "/srv/shop/venv/bin"])
def test_a_server_whose_name_is_misspelt_is_offered_and_chosen_by_a_person(folder: str) -> None:
    unit = START.replace(PROGRAM, f"{folder}/gunicron").replace("--port", "--bind 127.0.0.1:8000 --port")
    finding = found(diagnose_machine(unit, {**APP, f"{folder}/gunicorn": ("", 0o755)}, log=GONE))
    (need,) = finding.repairs[0].needs
    assert need.choices == (f"{folder}/gunicorn",) and finding.repairs[0].steps == ()


def test_nothing_that_could_be_meant() -> None:
    finding = found(diagnose_machine(START, {**APP, "/srv/shop/.venv/bin/uvicorn": ("", 0o644)}, log=GONE))
    assert finding.repairs[0].risk == "manual" and f"{UNIT}:4" in finding.repairs[0].manual
    bare = found(diagnose_machine(START.replace(PROGRAM, "uvicorn"), {**APP, "/srv/shop/venv/bin/uvicorn": ("", 0o755)}, log=GONE))
    assert "ExecStart=/srv/shop/venv/bin/uvicorn app" in text_of(bare)


def test_a_packages_unit_gets_a_drop_in() -> None:
    path = "/usr/local/lib/systemd/system/back.service"
    files = {**APP, path: f"[Service]\n{START}", "/srv/shop/.venv/bin/uvicorn": ("", 0o755)}
    from tests.causes.paper_machine import SITE, UNIT_PROPERTIES
    from tests.observe.capture_builders import file, node

    shown = "".join(f"{key}={value}\n" for key, value in {**UNIT_PROPERTIES, "FragmentPath": path}.items())
    seen = node(site=SITE, units=[file(path, f"[Service]\n{START}")], show=shown)
    step = edit_of(found(diagnose_machine(START, files, log=GONE, seen=seen)))
    assert step.path == "/etc/systemd/system/back.service.d/50-badgateway-unit.conf"
    assert step.after == b"[Service]\nExecStart=\nExecStart=/srv/shop/.venv/bin/uvicorn app.main:app --port 8000\n"


def test_a_program_by_a_specifier_is_written_nowhere_literally() -> None:
    unit = START.replace(PROGRAM, "/srv/%N/bin/uvicorn")
    finding = found(diagnose_machine(unit, {**APP, "/srv/shop/venv/bin/uvicorn": ("", 0o755)}, log=GONE))
    assert finding.repairs[0].risk == "manual"


def test_no_execute_bit() -> None:
    files = {**APP, PROGRAM: ("#!/bin/sh\nexec uvicorn app.main:app --port 8000\n", 0o640, 7)}
    finding = found(diagnose_machine(START, files, log=SHUT))
    step = edit_of(finding)
    assert finding.variant == "start-203-exec-not-executable" and step.before == step.after
    assert step.meta is not None and (step.meta.mode, step.meta.uid) == (0o750, 7)
    assert step.expect_meta is not None and step.expect_meta.mode == 0o640
    large = found(diagnose_machine(START, {**APP, PROGRAM: ("x" * 70000, 0o644)}, log=SHUT))
    assert large.repairs[0].risk == "manual" and "chmod +x" in large.repairs[0].manual


@pytest.mark.parametrize(("files", "said"), [
    ({PROGRAM: ("#!/bin/sh\n", 0o755), "/srv/shop": ("dir", 0o700), "/bin/sh": ("", 0o755)}, "shop may not enter /srv/shop (mode 0700"),
    ({PROGRAM: ("#!/bin/sh\n", 0o750), "/bin/sh": ("", 0o755)}, "may not execute"),
    ({PROGRAM: ("dir", 0o755)}, "is a dir"),
])
def test_executable_but_not_for_this_account(files: dict[str, tuple[str, int]], said: str) -> None:
    finding = found(diagnose_machine(START, {**APP, **files}, log=SHUT))
    assert said in finding.summary and finding.repairs[0].risk == "manual"


ACCOUNTS = {"/etc/passwd": "root:x:0:0::/root:/bin/sh\nshop:x:1000:1000::/srv/shop:/bin/sh\n", "/etc/group": "root:x:0:\nshop:x:1000:\n"}
OWN = {PROGRAM: ("#!/bin/sh\n", 0o700, 1000), "/srv/shop": ("dir", 0o700, 1000), "/bin/sh": ("", 0o755)}


@pytest.mark.parametrize(("mode", "said", "how"), [
    ("1", "its mode and the folders above let shop execute it, and SELinux is enforcing", "semanage fcontext -a -t bin_t"),
    ("0", "shop may not execute", "Correct that"),
])
def test_the_owner_may_enter_its_own_folder(mode: str, said: str, how: str) -> None:
    """Of an account whose rights are known, the rights of others say nothing: what denied it is another policy."""
    finding = found(diagnose_machine(START, {**APP, **ACCOUNTS, **OWN, "/sys/fs/selinux/enforce": mode}, log=SHUT))
    assert said in finding.summary and "may not enter" not in finding.summary
    assert finding.repairs[0].risk == "manual" and how in finding.repairs[0].manual


def test_a_folder_of_somebody_else_is_closed_to_the_account() -> None:
    files = {**OWN, "/srv": ("dir", 0o750, 7)}
    finding = found(diagnose_machine(START, {**APP, **ACCOUNTS, **files, "/sys/fs/selinux/enforce": "1"}, log=SHUT))
    assert "shop may not enter /srv (mode 0750, owner 7:7)" in finding.summary


def test_no_program_of_this_machine() -> None:
    line = f"back.service: Failed at step EXEC spawning {PROGRAM}: Exec format error"
    finding = found(diagnose_machine(START, {**APP, PROGRAM: ("exec uvicorn\n", 0o755)}, log=(line,)))
    assert finding.variant == "start-203-exec-bad-interpreter" and "names no interpreter" in finding.summary


LINKED = "User=shop\nWorkingDirectory=/srv/shop/current\nExecStart={} app.main:app --port 8000\n"


def test_a_program_that_one_release_lacks_is_in_another() -> None:
    program = "/srv/shop/current/venv/bin/uvicorn"
    files = {"/srv/shop/current": "-> releases/7", "/srv/shop/releases/7/app/main.py": "app = 1\n",
             "/srv/shop/releases/6/venv/bin/uvicorn": ("#!/bin/sh\n", 0o755), "/usr/bin/uvicorn": ("", 0o755)}
    show = {"ExecMainStatus": "203", "WorkingDirectory": "/srv/shop/current"}
    said = GONE[0].replace(PROGRAM, program)
    finding = found(diagnose_machine(LINKED.format(program), files, log=(said,), show=show))
    first, second = finding.repairs
    assert first.id == "previous-release" and first.needs[0].choices == ("/srv/shop/releases/6",) and not first.steps
    assert "lacks venv/bin/uvicorn" in first.needs[0].why and second.id == "correct-program"
    chosen = found(diagnose_machine(LINKED.format(program), files, log=(said,), show=show,
                          inputs={"release": "/srv/shop/releases/6"})).repairs[0]
    make = chosen.steps[1]
    assert isinstance(make, WriteFile) and make.link_target == "releases/6"


def test_a_release_that_is_not_complete() -> None:
    files = {"/srv/shop/current": "-> releases/7", "/srv/shop/releases/7": ("dir", 0o755),
             "/srv/shop/releases/6/app/main.py": "app = 1\n", "/srv/shop/releases/5/app/main.py": "app = 1\n"}
    show = {"ExecMainStatus": "1", "WorkingDirectory": "/srv/shop/current"}
    said = 'ERROR:    Error loading ASGI app. Could not import module "app.main".'
    diagnosis = diagnose_machine(LINKED.format("/usr/bin/uvicorn"), files, log=(said,), show=show)
    assert roots(diagnosis) == ["crash-code-error"]
    first = finding_of(diagnosis, "crash-code-error").repairs[0]
    assert first.id == "previous-release" and "lacks app/main.py" in first.needs[0].why
    assert first.needs[0].choices == ("/srv/shop/releases/6", "/srv/shop/releases/5")
