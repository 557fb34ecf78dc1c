"""Programs that a launcher or a shell script could not start."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import ManagedService
from fixer.model.service import CommandArgument
from tests.causes.paper_machine import UNIT, diagnose_machine
from tests.causes.snapshot_builders import Scene, log_lines, roots, service
from tests.causes.unit_misconfigured.unit_misconfigured_builders import APP, CAUSE, PROGRAM, START, found, text_of


@pytest.mark.parametrize(("launcher", "status", "said"), [
    ("/usr/bin/timeout 1d ", 127, "timeout: failed to run command '{}': No such file or directory"),
    ("/usr/bin/env A=1 ", 127, "/usr/bin/env: \u2018{}\u2019: No such file or directory"),
    ("/usr/bin/flock -n /run/back.lock ", 69, "flock: failed to execute {}: No such file or directory"),
    ("/usr/sbin/runuser -u shop -- ", 1, "runuser: failed to execute {}: No such file or directory"),
    ("/usr/bin/chpst -u shop ", 111, ""),
])
def test_a_launcher_that_could_not_start_its_program(launcher: str, status: int, said: str) -> None:
    unit = START.replace(PROGRAM, launcher + PROGRAM)
    files = {**APP, "/srv/shop/.venv/bin/uvicorn": ("#!/bin/sh\n", 0o755), launcher.split(maxsplit=1)[0]: ("\x7fELF", 0o755)}
    diagnosis = diagnose_machine(unit, files, log=(said.format(PROGRAM),), show={"ExecMainStatus": str(status)})
    if not said:
        assert CAUSE not in roots(diagnosis)        # nothing says that it could not
        return
    finding = found(diagnosis)
    assert (finding.variant, finding.confidence) == ("start-203-exec-missing", "certain")
    assert text_of(finding) == f"[Service]\n{unit}".replace(PROGRAM, "/srv/shop/.venv/bin/uvicorn")


READS = "/bin/bash: line 1: {}: No such file or directory"


@pytest.mark.parametrize(("command", "files", "status", "log"), [
    ("/bin/bash -lc 'source /srv/shop/venv/bin/activate && exec uvicorn app.main:app --port 8000'", {}, "1",
     (READS.format("/srv/shop/venv/bin/activate"),)),
    ("/bin/sh -c '. venv/bin/activate; exec uvicorn app.main:app --port 8000'", {}, "2",
     ("/bin/sh: 1: .: cannot open venv/bin/activate: No such file",)),
    ("/srv/shop/run", {"/srv/shop/run": ("#!/bin/bash\nsource venv/bin/activate\nexec uvicorn app.main:app --port 8000\n", 0o755)},
     "1", (READS.format("venv/bin/activate"), "Traceback (most recent call last):", '  File "/srv/shop/app/main.py", line 1',
           "ModuleNotFoundError: No module named 'orjson'")),
])
def test_what_a_shell_was_to_read_first_is_not_there(
    command: str, files: dict[str, tuple[str, int]], status: str, log: tuple[str, ...],
) -> None:
    unit = f"User=shop\nWorkingDirectory=/srv/shop\nExecStart={command}\n"
    diagnosis = diagnose_machine(unit, {**APP, **files, "/usr/bin/uvicorn": ("", 0o755)}, log=log, show={
        "ExecMainStatus": status, "ExecStart": f"{{ path=x ; argv[]={command} ; ignore_errors=no }}"})
    finding = found(diagnosis)
    assert "its command first reads /srv/shop/venv/bin/activate, which is missing" in finding.summary
    assert finding.repairs[0].risk == "manual" and f"{UNIT}:4" in finding.repairs[0].manual
    other = diagnose_machine(unit, {**APP, **files, "/usr/bin/uvicorn": ("", 0o755)}, log=(READS.format("/srv/shop/other"),), show={
        "ExecMainStatus": status, "ExecStart": f"{{ path=x ; argv[]={command} ; ignore_errors=no }}"})
    assert not any("command first reads" in f.summary for f in other.findings)


def test_what_a_program_says_of_another_file_is_no_launchers_word() -> None:
    unit = START.replace(PROGRAM, f"/usr/bin/timeout 1d {PROGRAM}")
    diagnosis = diagnose_machine(unit, {**APP, PROGRAM: ("#!/bin/sh\n", 0o755), "/bin/sh": ("", 0o755)},
                       log=("sh: 1: /srv/shop/tool: not found",), show={"ExecMainStatus": "1"})
    assert CAUSE not in roots(diagnosis)


def of_openrc(state: str, missing: bool = True) -> Scene:
    """A service of OpenRC that does not run, with the lines of its run before."""
    entry = CommandArgument(PROGRAM, "/etc/init.d/shop", 5, 20, 40)
    made = service("shop", pid=None, unit=None, manager="openrc", managed=ManagedService("shop", state, "/etc/init.d/shop"),
                   entry=entry, log=log_lines("INFO: Uvicorn running on http://127.0.0.1:8000", ago=900.0))
    scene = Scene().with_service(made).refused(configured_service=made.id)
    scene.node_changes["local"] = {"missing_paths": (PROGRAM,) if missing else ()}
    return scene


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_openrc_logs_no_program_that_it_did_not_find(state: str) -> None:
    finding = found(diagnose(of_openrc(state).snapshot()))
    assert (finding.variant, finding.service) == ("start-203-exec-missing", "shop") and PROGRAM in finding.summary
    assert finding.repairs[0].risk == "manual" and "/etc/init.d/shop:5" in finding.repairs[0].manual
    assert CAUSE not in roots(diagnose(of_openrc(state, missing=False).snapshot()))
