"""worker-recycled: what a server says that it ended itself, and how that is told from a clean exit and a kill."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument, EnvSlot
from tests.causes.snapshot_builders import (
    Scene,
    file,
    finding_of,
    healthy_scene,
    log_lines,
    roots,
    service,
    stopped_service,
    verdict_of,
)

CAUSE = "worker-recycled"
LIMIT = "WARNING:  Maximum request limit of 50 exceeded. Terminating process."
UNIT = "/etc/systemd/system/backend.service"
GUNICORN = "[Service]\nExecStart=/usr/bin/gunicorn -w 2 -t 3 app.main:app\n"


def ended(*lines: str, **changes: Any) -> Scene:
    slot = EnvSlot("local", "/etc/default/shop", 0, "{name}={value}\n", "env-file")
    made = stopped_service(log=log_lines("Started backend.service.", *(lines or (LIMIT, "backend.service: Deactivated successfully.")),
                           ago=62), env_slots=(slot,), **changes)
    scene = Scene().with_service(made).refused()
    scene.files.append(file("/etc/default/shop", "LANG=C\n"))
    return scene


def test_hit_a_single_process_ended_itself_and_gets_a_second_worker() -> None:
    diagnosis = diagnose(ended().snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence) == ("limit-max-requests-exit", "certain") and "50 requests" in found.summary
    assert found.evidence[0].source == "service-log" and LIMIT in found.evidence[0].text
    repair = found.repairs[0]
    assert (repair.id, repair.risk, repair.needs[0].default) == ("add-workers", "disruptive", "2")
    written = repair.steps[0]
    assert isinstance(written, WriteFile) and written.after == b"WEB_CONCURRENCY=2\nLANG=C\n"
    assert [s.verb for s in repair.steps if isinstance(s, UnitAction)] == ["start"]


def test_a_gap_while_its_manager_starts_it_again() -> None:
    scene = healthy_scene().logs("connect() failed (111: Connection refused)", 111, "connecting to upstream", ago=19)
    scene.services[0] = replace(scene.services[0], log=log_lines(LIMIT, ago=20))
    diagnosis = diagnose(scene.snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (found.role, diagnosis.verdict) == ("root", "degraded") and "until it runs again" in found.summary
    assert [s.verb for s in found.repairs[0].steps if isinstance(s, UnitAction)] == ["restart"]


@pytest.mark.parametrize("scene", [
    healthy_scene(), ended("backend.service: Deactivated successfully."), ended(workers=Known(2)),
    ended(LIMIT, unit_changes={"active_enter": 1_800_000_000.0}),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_miss_where_no_visitor_noticed() -> None:
    scene = healthy_scene()
    scene.services[0] = replace(scene.services[0], log=log_lines(LIMIT, ago=20))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_where_its_log_could_not_be_read() -> None:
    scene = Scene().with_service(stopped_service(log=Unknown("not root"))).refused()
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def silent(command: tuple[CommandArgument, ...] = (), data: str = GUNICORN, **changes: Any) -> Scene:
    made = service(log=log_lines("[CRITICAL] WORKER TIMEOUT (pid:812)", "[ERROR] Worker (pid:812) was sent SIGABRT!", ago=20),
                   runtime="gunicorn", command=command, workers=Known(2), **changes)
    scene = healthy_scene()
    scene.services[0] = made
    scene.files.append(file(UNIT, data))
    return scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", ago=20)


def words(data: str, *texts: str) -> tuple[CommandArgument, ...]:
    return tuple(CommandArgument(t, UNIT, 2, data.index(t), data.index(t) + len(t)) for t in texts)


@pytest.mark.parametrize(("data", "texts", "after"), [
    (GUNICORN, ("-t", "3"), GUNICORN.replace("-t 3", "-t 30")),
    (GUNICORN.replace("-t 3", "--timeout=20"), ("--timeout=20",), GUNICORN.replace("-t 3", "--timeout=80")),
])
def test_a_worker_that_gave_no_sign_is_given_more_time(data: str, texts: tuple[str, ...], after: str) -> None:
    diagnosis = diagnose(silent(words(data, *texts), data).snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.role, diagnosis.verdict) == ("worker-timeout-killed", "root", "degraded")
    written, reload, restart, *_ = found.repairs[0].steps
    assert isinstance(written, WriteFile) and written.after == after.encode() and isinstance(reload, DaemonReload)
    assert isinstance(restart, UnitAction) and restart.verb == "restart"


def test_without_an_option_it_goes_into_the_environment_that_gunicorn_reads() -> None:
    slot = EnvSlot("local", "/etc/default/shop", 0, "{name}={value}\n", "env-file")
    scene = silent(env_slots=(slot,))
    scene.files.append(file("/etc/default/shop", ""))
    repair = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0]
    written = repair.steps[0]
    assert isinstance(written, WriteFile) and b"GUNICORN_CMD_ARGS=" in (written.after or b"") and repair.risk == "disruptive"


def test_the_number_of_its_own_file_is_changed_there() -> None:
    before = "bind = ':80'\ntimeout = 4  # seconds\n"
    scene = silent()
    scene.files.append(file("/srv/shop/gunicorn.conf.py", before))
    repair = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0]
    written = repair.steps[0]
    assert isinstance(written, WriteFile) and written.after == before.replace("4", "30").encode()
    assert "now 4" in repair.needs[0].why and "instead of 4 in /srv/shop/gunicorn.conf.py" in repair.summary


def test_a_number_that_is_written_nowhere_is_for_a_person() -> None:
    nowhere = (CommandArgument("--timeout=3"),)
    moved = (CommandArgument("--timeout=3", UNIT, 2, 0, 11),)
    for command in (nowhere, moved):
        repair = finding_of(diagnose(silent(command).snapshot()), CAUSE).repairs[0]
        assert repair.risk == "manual" and "--timeout 30" in repair.manual
    other = silent()
    other.services[0] = replace(other.services[0], runtime="hypercorn")
    assert "no such option" in finding_of(diagnose(other.snapshot()), CAUSE).repairs[0].manual


def test_a_request_that_the_worker_answered_with_500_is_told_by_its_own_log() -> None:
    """gunicorn 22 and later: nginx has a status of its backend, and nothing to log."""
    scene = silent(words(GUNICORN, "-t", "3"))
    scene.events.clear()
    scene.services[0] = replace(scene.services[0], log=log_lines(
        "[7] [CRITICAL] WORKER TIMEOUT (pid:812)", "[812] [ERROR] Error handling request /api/report", ago=20))
    diagnosis = diagnose(scene.snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.role, diagnosis.verdict) == ("worker-timeout-killed", "root", "degraded")
    assert "[812] [ERROR] Error handling request /api/report" in [shown.text for shown in found.evidence]
    assert found.repairs[0].risk == "disruptive"


def test_a_timeout_that_took_no_request_or_is_long_ago_is_none() -> None:
    quiet = silent()
    quiet.events.clear()
    old = silent()
    old.services[0] = replace(old.services[0], log=log_lines("[CRITICAL] WORKER TIMEOUT (pid:812)", ago=900))
    for scene in (quiet, old):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


@pytest.mark.parametrize(("texts", "old", "new"), [
    (("--timeout", "3"), "--timeout 3", "--timeout 30"), (("-t", "3"), "-t 3", "-t 30"), (("--timeout=3",), "--timeout=3", "--timeout=30"),
])
def test_a_time_limit_inside_a_command_within_a_command(texts: tuple[str, ...], old: str, new: str) -> None:
    data = f"[Service]\nExecStart=/bin/sh -c 'exec gunicorn -w 2 {old} app.main:app'\n"
    command = tuple(CommandArgument(text, UNIT, 2, None, None) for text in texts)
    written = finding_of(diagnose(silent(command, data).snapshot()), CAUSE).repairs[0].steps[0]
    assert isinstance(written, WriteFile) and written.after == data.replace(old, new).encode()


def test_a_worker_that_was_idle_when_it_was_ended_last_hides_none_that_took_a_request_before() -> None:
    scene = silent()
    lines = (*scene.services[0].log.value, *log_lines("[CRITICAL] WORKER TIMEOUT (pid:900)", ago=2).value)   # type: ignore[union-attr]
    scene.services[0] = replace(scene.services[0], log=Known(lines))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "worker-timeout-killed" and "pid:812" in found.evidence[0].text


def test_unknown_what_a_gunicorn_that_lost_a_request_says_of_it() -> None:
    scene = silent()
    scene.services[0] = replace(scene.services[0], log=Unknown("not root"))
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "not root" in verdict.missing[0]
    scene.events.clear()
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


@pytest.mark.parametrize("said", [
    "*** HARAKIRI ON WORKER 1 (pid: 812, try: 1, graceful: no) ***",
    "Sat Jan 31 10:00:00 2026 - *** HARAKIRI ON WORKER 1 (pid: 812, try: 1) ***",
])
def test_hit_harakiri_of_uwsgi_is_the_same(said: str) -> None:
    scene = silent()
    scene.services[0] = service(log=log_lines(said, "DAMN ! worker 1 (pid: 812) died, killed by signal 9 :( trying respawn ...",
                                        ago=20), runtime="uwsgi", workers=Known(2))
    diagnosis = diagnose(scene.snapshot())
    first = finding_of(diagnosis, CAUSE)
    assert (roots(diagnosis), first.variant, first.repairs[0].risk) == ([CAUSE], "worker-timeout-killed", "manual")
    assert "harakiri" in first.repairs[0].manual


def test_miss_a_visitor_that_writes_harakiri() -> None:
    scene = silent()
    scene.services[0] = service(log=log_lines("GET /*** HARAKIRI ON WORKER 1 (pid: 8", ago=20), runtime="uwsgi")
    assert CAUSE not in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize(("value", "now", "after"), [
    ('"--bind=:80 --timeout=4 -w 2"', 4, '"--bind=:80 --timeout=30 -w 2"'),
    ("--bind=:80 -w 2", 30, "--bind=:80 -w 2 --timeout=120"),
    ("'--bind=:80'", 30, "'--bind=:80 --timeout=120'"),
    ("--bind=:80", 30, ""),       # a blank ends a value without quotes in some of the files
])
def test_arguments_in_a_variable_are_changed_there(value: str, now: int, after: str) -> None:
    data = f"GUNICORN_CMD_ARGS={value}\nPORT=80\n"
    found = tuple(CommandArgument(m[1], "/etc/default/shop", 1, *m.span(1)) for m in re.finditer(r"[ =\"']([-\w][^\s\"']*)", data.splitlines()[0]))
    slot = EnvSlot("local", "/etc/default/shop", len(data), "{name}={value}\n", "env-file")
    scene = silent(env_slots=(slot,), variable_arguments=found)
    scene.files.append(file("/etc/default/shop", data))
    repair = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0]
    if not after:
        assert repair.risk == "manual" and "GUNICORN_CMD_ARGS holds --bind=:80" in repair.manual
        return
    assert f"now {now}" in repair.needs[0].why
    written = repair.steps[0]
    assert isinstance(written, WriteFile) and written.after == f"GUNICORN_CMD_ARGS={after}\nPORT=80\n".encode()
