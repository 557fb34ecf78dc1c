"""unit-misconfigured of supervisord: what it could not start, or would refuse to, by its log, the child's and the disk."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.plan import DaemonReload, ProgramAction, WriteFile
from tests.causes.paper_machine import SITE, Entry, observe_machine
from tests.causes.snapshot_builders import finding_of, roots
from tests.observe.capture_builders import node
from tests.observe.supervisord.test_supervisord_programs import CONF, DAEMON, ERR, LOG, MAIN, SHOP, said

CAUSE = "unit-misconfigured"
SERVE = "/srv/shop/env/bin/serve"
SCRIPT = '#!/bin/sh\nexec /usr/bin/uvicorn "$@"\n'
PROGRAM = f"[program:shop]\ndirectory=/srv/shop\ncommand={SERVE} shop:app --port 8000\nuser=shop\n"
SPAWNED = (30, "spawned: 'shop' with pid 5")
WELL = (29, "success: shop entered RUNNING state, x")
GAVE_UP = (5, "gave up: shop entered FATAL state, too many start retries too quickly")
STOPPED = (9, "stopped: shop (terminated by SIGTERM)")
HERE: dict[str, Entry] = {SERVE: (SCRIPT, 0o755), "/bin/sh": ("\x7fELF", 0o755), "/srv/shop/shop.py": "app = 1\n"}


def judged(files: Mapping[str, Entry], *log: tuple[float, str], own: str = "", program: str = PROGRAM) -> Diagnosis:
    disk = {CONF: MAIN, SHOP: program, LOG: said(*log), **({ERR: (own, 0o644, 0, 5.0)} if own else {}), **files}
    return diagnose(observe_machine("", disk, seen=node(site=SITE, running=[DAEMON])))


def without(*paths: str, **more: Entry) -> dict[str, Entry]:
    return {path: entry for path, entry in {**HERE, **more}.items() if path not in paths}


@pytest.mark.parametrize("log", [
    (SPAWNED, WELL, STOPPED),       # supervisorctl restart looked, refused, and left no line
    (SPAWNED, WELL, (9, f"spawnerr: command at '{SERVE}' is not executable"), GAVE_UP),
])
def test_a_lost_execute_bit_is_given_back(log: tuple[tuple[float, str], ...]) -> None:
    diagnosis = judged({**HERE, SERVE: (SCRIPT, 0o644)}, *log)
    assert roots(diagnosis) == [CAUSE]
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence, found.service) == ("start-203-exec-not-executable", "certain", "shop")
    (repair,) = found.repairs
    write, act = repair.steps[:2]
    assert isinstance(write, WriteFile) and write.meta is not None and write.meta.mode == 0o755
    assert isinstance(act, ProgramAction) and act.verb == "update"
    assert not any(isinstance(step, DaemonReload) for step in repair.steps)


@pytest.mark.parametrize("log", [
    (SPAWNED, WELL, STOPPED), (SPAWNED, WELL, (9, f"spawnerr: can't find command '{SERVE}'"), GAVE_UP),
])
def test_an_environment_that_moved_is_named_in_its_section(log: tuple[tuple[float, str], ...]) -> None:
    diagnosis = judged(without(SERVE, **{"/srv/shop/venv/bin/serve": (SCRIPT, 0o755)}), *log)
    found = finding_of(diagnosis, CAUSE)
    assert roots(diagnosis) == [CAUSE] and found.variant == "start-203-exec-missing"
    write = found.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.path == SHOP
    assert (write.after or b"").decode() == PROGRAM.replace("/env/bin", "/venv/bin")


def test_a_folder_that_is_not_there() -> None:
    program = PROGRAM.replace(SERVE, "/usr/bin/uvicorn").replace("/srv/shop", "/srv/old")
    there: dict[str, Entry] = {"/usr/bin/uvicorn": ("\x7fELF", 0o755), "/srv/shop/shop.py": "app = 1\n"}
    diagnosis = judged(there, SPAWNED, (9, "exited: shop (exit status 127; not expected)"), GAVE_UP, program=program,
                       own="supervisor: couldn't chdir to /srv/old: ENOENT\nsupervisor: child process was not spawned\n")
    found = finding_of(diagnosis, CAUSE)
    assert (roots(diagnosis), found.variant, found.confidence) == ([CAUSE], "start-200-chdir", "certain")
    write = found.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b"directory=/srv/shop\n" in (write.after or b"")


def test_in_the_moment_of_one_more_try_what_ended_the_last_one_counts() -> None:
    gone = (9, f"spawnerr: can't find command '{SERVE}'")
    files = without(SERVE, **{"/srv/shop/venv/bin/serve": (SCRIPT, 0o755)})
    own = f"supervisor: couldn't exec {SERVE}: ENOENT\n"
    ended = (SPAWNED, (3, "exited: shop (exit status 127; not expected)"), (1, "spawned: 'shop' with pid 9"))
    assert roots(judged(files, *ended, own=own)) == [CAUSE]
    assert CAUSE not in roots(judged(HERE, *ended, own=own))       # it is there by now: this try tells
    assert roots(judged(files, SPAWNED, WELL, gone)) == [CAUSE]


def test_the_account_is_the_sections() -> None:
    shut: dict[str, Entry] = {**HERE, "/srv/shop": ("dir", 0o700)}
    diagnosis = judged(shut, SPAWNED, (9, "exited: shop (exit status 127; not expected)"), GAVE_UP,
                       own="supervisor: couldn't chdir to /srv/shop: EACCES\n")
    found = finding_of(diagnosis, CAUSE)
    assert found.variant == "start-200-chdir" and "shop may not enter /srv/shop" in found.summary
    assert [repair.risk for repair in found.repairs] == ["manual"]


def test_an_interpreter_that_is_gone() -> None:
    own = f"supervisor: couldn't exec {SERVE}: ENOENT\n"
    files = {**HERE, SERVE: ("#!/opt/gone\n", 0o755)}
    found = finding_of(judged(files, SPAWNED, (9, "exited: shop (exit status 127; not expected)"), GAVE_UP, own=own), CAUSE)
    assert found.variant == "start-203-exec-bad-interpreter"


@pytest.mark.parametrize(("log", "own"), [
    ((SPAWNED, WELL, STOPPED), ""),                                                     # somebody stopped it
    ((SPAWNED, (9, "exited: shop (exit status 127; not expected)"), GAVE_UP), "sh: 1: nothing\n"),   # the program's own 127
    ((SPAWNED, (9, "exited: shop (exit status 1; not expected)"), GAVE_UP),
     "supervisor: couldn't chdir to /srv/shop: ENOENT\nOSError: it ran and ended by itself\n"),      # an earlier try's line
])
def test_near_misses(log: tuple[tuple[float, str], ...], own: str) -> None:
    assert CAUSE not in {finding.cause for finding in judged(HERE, *log, own=own).findings}


def test_what_a_wrapper_is_given_counts() -> None:
    found = next(s for s in observe_machine("", {CONF: MAIN, SHOP: PROGRAM, LOG: said(SPAWNED, WELL, STOPPED), **HERE},
                                 seen=node(site=SITE, running=[DAEMON])).services if s.name == "shop")
    assert [word.text for word in found.command] == ["/usr/bin/uvicorn", "shop:app", "--port", "8000"]


RUN = '#!/bin/sh\ncd /srv/shop\nexec /srv/shop/env/bin/uvicorn shop:app --port 8000\n'
BY_SCRIPT: dict[str, Entry] = {"/srv/shop/run.sh": (RUN, 0o755), "/srv/shop/shop.py": "app = 1\n", "/bin/sh": ("\x7fELF", 0o755)}
SAYS = ["{at}: 3: exec: {what}: not found", "{at}: line 3: exec: {what}: not found", "{at}: line 3: {what}: No such file or directory"]


@pytest.mark.parametrize("says", SAYS)
def test_a_script_that_ends_in_nothing(says: str) -> None:
    own = says.format(at="/srv/shop/run.sh", what="/srv/shop/env/bin/uvicorn")
    files = {**BY_SCRIPT, "/srv/shop/.venv/bin/uvicorn": ("\x7fELF", 0o755)}
    diagnosis = judged(files, SPAWNED, (9, "exited: shop (exit status 127; not expected)"), GAVE_UP, own=own,
                       program=PROGRAM.replace(f"{SERVE} shop:app --port 8000", "/srv/shop/run.sh"))
    found = finding_of(diagnosis, CAUSE)
    assert (roots(diagnosis), found.variant, found.confidence) == ([CAUSE], "start-203-exec-missing", "certain")
    write = found.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.path == "/srv/shop/run.sh"
    assert (write.after or b"").decode() == RUN.replace("/env/", "/.venv/")


def test_the_script_of_a_unit() -> None:
    files = {**BY_SCRIPT, "/srv/shop/env/bin/uvicorn": ("\x7fELF", 0o644)}
    log = ("/srv/shop/run.sh: 3: exec: /srv/shop/env/bin/uvicorn: Permission denied",)
    show = {"ExecMainStatus": "126"}
    unit = "User=shop\nWorkingDirectory=/srv/shop\nExecStart=/srv/shop/run.sh\n"
    diagnosis = diagnose(observe_machine(unit, files, log=log, show=show))
    found = finding_of(diagnosis, CAUSE)
    assert (roots(diagnosis), found.variant) == ([CAUSE], "start-203-exec-not-executable")
    write = found.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.path == "/srv/shop/env/bin/uvicorn" and write.meta is not None
    missing = diagnose(observe_machine(unit, {**BY_SCRIPT, "/srv/shop/venv/bin/uvicorn": ("\x7fELF", 0o755)}, show={"ExecMainStatus": "127"},
                            log=("/srv/shop/run.sh: 3: exec: /srv/shop/env/bin/uvicorn: not found",)))
    steps = finding_of(missing, CAUSE).repairs[0].steps
    assert isinstance(steps[0], WriteFile) and steps[0].path == "/srv/shop/run.sh"
    assert not any(isinstance(step, DaemonReload) for step in steps)


def test_what_a_program_says_of_another_is_no_script() -> None:
    files = {**BY_SCRIPT, "/srv/shop/env/bin/uvicorn": ("\x7fELF", 0o755)}
    own = "/srv/shop/run.sh: 3: exec: /opt/other/bin/tool: not found"
    diagnosis = judged(files, SPAWNED, (9, "exited: shop (exit status 127; not expected)"), GAVE_UP, own=own,
                       program=PROGRAM.replace(f"{SERVE} shop:app --port 8000", "/srv/shop/run.sh"))
    assert CAUSE not in {finding.cause for finding in diagnosis.findings}
