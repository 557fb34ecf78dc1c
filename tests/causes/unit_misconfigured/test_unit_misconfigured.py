"""unit-misconfigured: at which step systemd failed, what the disk shows of it, and which corrections are proven."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Found, RuledOut, Undetermined
from fixer.model.facts import Known
from fixer.model.plan import DaemonReload, ProgramAction, WriteFile
from fixer.model.snapshot import PreCommand
from tests.causes.backend_down.manager_state_builders import supervisord_scene
from tests.causes.paper_machine import SITE, UNIT, Entry, diagnose_machine, observe_machine
from tests.causes.snapshot_builders import (
    REFUSED,
    Scene,
    container_service,
    failed_service,
    finding_of,
    log_lines,
    roots,
    supervised_service,
    verdict_of,
)
from tests.causes.unit_misconfigured.stopped_by_systemd_builders import value
from tests.causes.unit_misconfigured.unit_misconfigured_builders import GONE, MOVED, SHUT, START, edit_of, found
from tests.observe.capture_builders import node
from tests.observe.supervisord.supervisord_programs_builders import CONF, DAEMON, ERR, LOG, MAIN, SHOP, said
from tests.repairs.container_start_builders import OCI, dead
from tests.repairs.container_start_builders import START as CONTAINER_START_START

CAUSE = "unit-misconfigured"
PROGRAM = "/srv/shop/venv/bin/uvicorn"
APP = {"/srv/shop/app/main.py": "app = 1\n"}


def test_miss_a_program_that_ran_and_ended() -> None:
    crashed = diagnose_machine(START, APP, log=("x",), show={"ExecMainStatus": "1"})
    assert isinstance(verdict_of(crashed, CAUSE), RuledOut)
    killed = diagnose_machine(START, APP, log=GONE, show={"Result": "signal", "ExecMainStatus": "9"})
    assert isinstance(verdict_of(killed, CAUSE), RuledOut)


def test_unknown_where_the_program_was_not_looked_at() -> None:
    there = {**APP, "/srv/shop/x": ("#!/bin/sh\n", 0o755), "/bin/sh": ("", 0o755)}
    diagnosis = diagnose_machine(START.replace(PROGRAM, "/srv/shop/x"), there)
    assert isinstance(verdict_of(diagnosis, CAUSE), Undetermined)      # it is there, and no line says why it failed
    relative = {**APP, PROGRAM: ("#!python3\n", 0o755)}
    assert isinstance(verdict_of(diagnose_machine(START, relative, log=GONE, unseen=("python3",)), CAUSE), Undetermined)


def test_it_is_there_by_now() -> None:
    finding = found(diagnose_machine(START, {**APP, PROGRAM: ("\x7fELF", 0o755)}, log=GONE))
    assert finding.confidence == "likely" and finding.repairs[0].id == "start-service" and finding.repairs[0].risk == "safe"


CHDIR = "back.service: Failed at step CHDIR spawning /usr/bin/uvicorn: {}"


def test_what_other_services_share_is_not_edited_for_one_of_them() -> None:
    from tests.causes.paper_machine import SITE, UNIT_PROPERTIES
    from tests.observe.capture_builders import file, node

    every, mine = "/etc/systemd/system/service.d/60-hard.conf", "/etc/systemd/system/back.service.d/60-hard.conf"
    unit = MOVED.replace("/srv/old", "/home/shop/app")
    for path, own in ((every, False), (mine, True)):
        files = {"/home/shop/app/main.py": "app = 1", "/home/shop/app": ("dir", 0o755), path: "[Service]\nProtectHome=yes\n"}
        show = {**UNIT_PROPERTIES, "ExecMainStatus": "200", "WorkingDirectory": "/home/shop/app", "DropInPaths": path}
        seen = node(site=SITE, units=[file(UNIT, f"[Service]\n{unit}"), file(path, "[Service]\nProtectHome=yes\n")],
                    show="".join(f"{key}={value}\n" for key, value in show.items()))
        step = edit_of(found(diagnose_machine(unit, files, log=(CHDIR.format("Permission denied"),), seen=seen)))
        assert step.after == b"[Service]\nProtectHome=read-only\n"
        assert step.path == (mine if own else "/etc/systemd/system/back.service.d/zz-50-badgateway-unit.conf")


@pytest.mark.parametrize(("lines", "barred"), [
    ("NoExecPaths=/srv\n", True), ("NoExecPaths=/\nExecPaths=/srv/shop/venv\n", False), ("NoExecPaths=/srv/other\n", False),
])
def test_what_may_execute_nothing_there_is_told_by_its_setting(lines: str, barred: bool) -> None:
    files = {**APP, PROGRAM: ("#!/bin/sh\n", 0o755), "/bin/sh": ("\x7fELF", 0o755)}
    finding = found(diagnose_machine(START + lines, files, log=SHUT))
    assert ("NoExecPaths=/srv forbids execution there" in finding.summary) == barred
    assert finding.repairs[0].risk == "manual"


def test_what_the_start_limit_says_is_its_consequence() -> None:
    log = (*GONE, "back.service: Start request repeated too quickly.")
    diagnosis = diagnose_machine(START, {**APP, "/srv/shop/.venv/bin/uvicorn": ("", 0o755)}, log=log)
    assert roots(diagnosis) == [CAUSE] and isinstance(verdict_of(diagnosis, "crash-loop-gave-up"), Found)
    assert {f.role for f in diagnosis.findings if f.cause == "crash-loop-gave-up"} == {"consequence"}


MANAGER_STATE_CONF = "/etc/supervisor/conf.d/shop.conf"


def test_a_command_that_supervisord_cannot_find_is_told_with_its_section() -> None:
    said = "can't find command '/srv/shop/env/bin/uvicorn'"
    made = supervised_service("FATAL", program={"ended": said}, log=log_lines(f"spawnerr: {said}", "gave up: shop entered FATAL state"))
    first = diagnose(supervisord_scene(made).snapshot()).findings[0]
    assert (first.cause, first.variant) == ("crash-loop-gave-up", "supervisor-fatal") and said in first.summary
    assert said in first.repairs[0].manual and f"{MANAGER_STATE_CONF}:1" in first.repairs[0].manual


def test_a_folder_that_supervisord_cannot_enter_is_told_as_its_child_said_it() -> None:
    lines = ("supervisor: couldn't chdir to /srv/shop2: ENOENT", "supervisor: child process was not spawned",
             "gave up: shop entered FATAL state, too many start retries too quickly")
    ended = {"ended": "exit status 127", "expected": False}
    first = diagnose(supervisord_scene(supervised_service("FATAL", program=ended, log=log_lines(*lines))).snapshot()).findings[0]
    assert first.cause == "crash-loop-gave-up" and "couldn't chdir to /srv/shop2: ENOENT" in first.summary


@pytest.mark.parametrize(("changes", "told"), [
    ({}, True), ({"result": "start-limit-hit"}, True), ({"result": "resources"}, False),
    ({"exec_main_code": 1, "exec_main_status": 3}, False),
])
def test_it_is_told_by_the_log_where_the_units_were_read_again_since(changes: dict[str, object], told: bool) -> None:
    """daemon-reload forgets how a command before the program ended, and a start that comes too soon does not run it."""
    setting, _ = value("ExecStartPre=/srv/check")
    lines = ("INFO: Finished server process [69]", "Stopped backend.service - Shop.",
             "backend.service: Control process exited, code=exited, status=1/FAILURE",
             "backend.service: Failed with result 'exit-code'.", "backend.service: Start request repeated too quickly.",
             "backend.service: Failed with result 'exit-code'.", "Failed to start backend.service - Shop.")
    scene = Scene().with_service(failed_service(
        unit_values=(setting,), log=log_lines(*lines), unit_changes={
            "active_state": "failed", "sub_state": "failed", "result": "exit-code", "n_restarts": 4, "main_pid": 0,
            "exec_main_status": 0, "exec_main_code": 0, "pre": (PreCommand("/srv/check", "", 0),), **changes},
    )).refused()
    findings = [f for f in diagnose(scene.snapshot()).findings if f.variant == "start-execstartpre-failed"]
    assert bool(findings) is told
    assert not told or (findings[0].role == "root" and "ended with status 1" in findings[0].summary)
    assert "Finished" not in repr(findings)


# unit-misconfigured of supervisord: what it could not start, or would refuse to, by its log, the child's and the
# disk.
SERVE = "/srv/shop/env/bin/serve"
SCRIPT = '#!/bin/sh\nexec /usr/bin/uvicorn "$@"\n'
SUPERVISORD_PROGRAMS_MISCONFIGURED_PROGRAM = f"[program:shop]\ndirectory=/srv/shop\ncommand={SERVE} shop:app --port 8000\nuser=shop\n"
SPAWNED = (30, "spawned: 'shop' with pid 5")
WELL = (29, "success: shop entered RUNNING state, x")
GAVE_UP = (5, "gave up: shop entered FATAL state, too many start retries too quickly")
STOPPED = (9, "stopped: shop (terminated by SIGTERM)")
HERE: dict[str, Entry] = {SERVE: (SCRIPT, 0o755), "/bin/sh": ("\x7fELF", 0o755), "/srv/shop/shop.py": "app = 1\n"}


def judged(files: Mapping[str, Entry], *log: tuple[float, str], own: str = "", program: str = SUPERVISORD_PROGRAMS_MISCONFIGURED_PROGRAM) -> Diagnosis:
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
    assert (write.after or b"").decode() == SUPERVISORD_PROGRAMS_MISCONFIGURED_PROGRAM.replace("/env/bin", "/venv/bin")


def test_a_folder_that_is_not_there() -> None:
    program = SUPERVISORD_PROGRAMS_MISCONFIGURED_PROGRAM.replace(SERVE, "/usr/bin/uvicorn").replace("/srv/shop", "/srv/old")
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
    found = next(s for s in observe_machine("", {CONF: MAIN, SHOP: SUPERVISORD_PROGRAMS_MISCONFIGURED_PROGRAM, LOG: said(SPAWNED, WELL, STOPPED), **HERE},
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
                       program=SUPERVISORD_PROGRAMS_MISCONFIGURED_PROGRAM.replace(f"{SERVE} shop:app --port 8000", "/srv/shop/run.sh"))
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
                       program=SUPERVISORD_PROGRAMS_MISCONFIGURED_PROGRAM.replace(f"{SERVE} shop:app --port 8000", "/srv/shop/run.sh"))
    assert CAUSE not in {finding.cause for finding in diagnosis.findings}


@pytest.mark.parametrize(("error", "said"), [
    (CONTAINER_START_START + 'exec: "hypercorn": executable file not found in $PATH: unknown', "hypercorn is not in its image"),
    (CONTAINER_START_START + 'exec: "/srv/serve": stat /srv/serve: no such file or directory: unknown', "/srv/serve is not in its image"),
    (CONTAINER_START_START + 'exec: "/srv/serve": permission denied: unknown', "/srv/serve may not be executed"),
    (CONTAINER_START_START + "exec /srv/serve: exec format error", "/srv/serve cannot run"),
    ("unable to find user shop: no matching entries in passwd file", "its user shop is not"),
    (OCI + 'chdir to cwd ("/srv/none") set in config.json failed: no such file or directory: unknown', "/srv/none cannot be"),
    ("driver failed programming external connectivity on endpoint p-app-1: Bind for 0.0.0.0:8000 failed: port is already "
     "allocated", "0.0.0.0:8000"),
    ("failed to bind host port: address already in use", "a port that it publishes is in use"),
    ("something else went wrong", "something else went wrong"),
    (CONTAINER_START_START + "error during container init: too many open files: unknown", "too many open files"),
])
def test_hit_what_the_engine_says(error: str, said: str) -> None:
    diagnosis = diagnose(dead(error).snapshot())
    assert roots(diagnosis) == [CAUSE]
    finding = finding_of(diagnosis, CAUSE)
    assert finding.variant == "container-cannot-start" and said in finding.summary
    assert finding.repairs[0].risk == "manual" and finding.repairs[0].manual


@pytest.mark.parametrize(("status", "code"), [("exited", 0), ("exited", 137), ("created", 0)])
def test_what_it_mounts_is_gone_from_the_host(status: str, code: int) -> None:
    """A secret's file: the engine refuses each start and keeps no word of it, so it looked like one that was stopped."""
    made = container_service(pid=None, box={"status": status, "exit_code": code, "missing_sources": ("/opt/shop/key.txt",)})
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    scene.endpoint(tcp=Known(REFUSED))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    finding = finding_of(diagnosis, CAUSE)
    assert finding.variant == "container-cannot-start" and "/opt/shop/key.txt" in finding.summary
    assert finding.repairs[0].risk == "manual" and "restore it" in finding.repairs[0].manual
