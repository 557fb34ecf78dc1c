"""The limits of overload-saturated: the server's own, max_conns, a pool of threads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import UpstreamServer
from fixer.model.plan import CheckNginx, DaemonReload, ReloadNginx, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument
from tests.causes.backend_hung_builders import BUSY, HUNG, busy, late, late_handshake
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    REFUSED,
    SITE,
    SLOW,
    TIMED_OUT,
    Scene,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    service,
    verdict_of,
)

CAUSE = "overload-saturated"
UNIT = "/etc/systemd/system/backend.service"
TEXT = "[Service]\nExecStart=/usr/bin/uvicorn app.main:app --limit-concurrency 3\n"
SHED = "WARNING:  Exceeded concurrency limit."


def shedding(text: str = TEXT, *, lines: int = 4, ago: float = 5.0, **changes: object) -> Scene:
    words, at = [], 0
    for word in text.splitlines()[1].removeprefix("ExecStart=").split():
        at = text.index(word, at)
        words.append(CommandArgument(word, UNIT, 2, at, at + len(word)))
    values = {"command": tuple(words), "log": log_lines(*[SHED] * lines, ago=ago), **changes}
    scene = Scene().with_service(service(**values), listener(8000, 200))   # type: ignore[arg-type]
    scene.files.append(file(UNIT, text))
    return scene


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


@pytest.mark.parametrize(("text", "want"), [
    (TEXT, "--limit-concurrency 100\n"), (TEXT.replace("y 3", "y=3"), "--limit-concurrency=100\n"),
])
def test_a_server_that_turns_requests_away_may_take_more(text: str, want: str) -> None:
    diagnosis = diagnose(shedding(text).snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "degraded"
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.routes) == ("limit-concurrency-503", "certain", ("r1",))
    write, reload, restart, _ = first.repairs[0].steps
    assert isinstance(write, WriteFile) and (write.after or b"").decode().endswith(want)
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction) and first.repairs[0].risk == "disruptive"
    given = found(shedding(text), limit_concurrency="7").repairs[0].steps[0]
    assert isinstance(given, WriteFile) and b"7\n" in (given.after or b"")


def test_a_command_within_a_command_is_edited_where_its_line_is_plain() -> None:
    scene = shedding()
    words = scene.services[0].command
    scene.services[0] = replace(scene.services[0], command=tuple(replace(w, start=None, end=None) for w in words))
    step = found(scene).repairs[0].steps[0]
    assert isinstance(step, WriteFile) and (step.after or b"").endswith(b"--limit-concurrency 100\n")
    scene.files[-1] = file(UNIT, TEXT.replace("--limit", "--limit-concurrency 3 --limit"))
    assert found(scene).repairs[0].risk == "manual"


def test_a_limit_that_is_written_nowhere() -> None:
    scene = shedding()
    scene.files.pop()
    assert found(scene).repairs[0].risk == "manual"
    moved = shedding()
    moved.files[-1] = file(UNIT, "x" + TEXT)
    assert found(moved).repairs[0].risk == "manual"
    bare = shedding(unit=None, manager="none")
    assert found(bare).repairs[0].risk == "manual"


@pytest.mark.parametrize("scene", [
    shedding(lines=2), shedding(ago=90), shedding(TEXT.replace(" --limit-concurrency 3", "")),
    shedding(TEXT.replace(" 3", " x")), shedding().endpoint(configured_service=None, listening_service=None),
])
def test_a_limit_that_is_not_reached(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_a_limit_whose_log_is_unknown() -> None:
    assert isinstance(verdict_of(diagnose(shedding(log=Unknown("denied")).snapshot()), CAUSE), Undetermined)


CONF = "upstream app { server 127.0.0.1:8000 max_conns=2; server 127.0.0.1:8001 max_conns=2; }\n"


def used_up(*, limit: int = 2, count: int = 4, text: str = CONF) -> Scene:
    scene = healthy_scene().answers(BAD_GATEWAY).logs("no live upstreams", None, "connecting to upstream", count=count)
    scene.files[0] = file(SITE, text)
    span = replace(scene.snapshot().routes[0].route.source, line=1, start=text.index("127"), end=text.index("127") + 14)
    server = UpstreamServer("127.0.0.1:8000", "127.0.0.1", 8000, None, span, max_conns=limit)
    second = replace(server, span=replace(span, start=text.rindex("127"), end=text.rindex("127") + 14))
    scene.route[0] = {"upstream": "app", "servers": (server, second)}
    return scene


def test_connections_that_nginx_may_not_open() -> None:
    diagnosis = diagnose(used_up().snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.repairs[0].risk) == ("max-conns-reached", "safe") and "4 connections" in first.summary
    write, check, reload = first.repairs[0].steps
    assert isinstance(write, WriteFile) and write.after == CONF.replace("=2", "=64").encode()
    assert isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    given = found(used_up(), max_conns="0").repairs[0].steps[0]
    assert isinstance(given, WriteFile) and (given.after or b"").count(b"max_conns=0") == 2


@pytest.mark.parametrize("scene", [
    used_up(limit=0), used_up(count=2), used_up().endpoint(http=Known(REFUSED)), healthy_scene(),
])
def test_no_connections_are_missing(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_connections_to_a_server_that_only_nginx_can_ask() -> None:
    scene = used_up().endpoint(http=Unknown("the upstream protocol is not HTTP"))
    scene.route[0] |= {"kind": "uwsgi_pass"}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)
    first = found(scene.answers(BAD_GATEWAY, GOOD))
    assert first.variant == "max-conns-reached" and any("through nginx" in shown.text for shown in first.evidence)


def test_connections_unknown_and_places_that_cannot_be_edited() -> None:
    blind = used_up().endpoint(http=Unknown("--no-probe"))
    assert isinstance(verdict_of(diagnose(blind.snapshot()), CAUSE), Undetermined)
    gone = used_up()
    gone.files.pop(0)
    assert found(gone).repairs[0].risk == "manual"
    assert found(used_up(text=CONF.replace("max_conns=2", "'max_conns=3'"))).repairs[0].risk == "manual"


def pool(*, threads: int = 45, established: int = 70, count: int = 4) -> Scene:
    scene = Scene().with_service(service(), listener(8000, 200, established=established), threads=threads)
    scene.answers(GOOD)
    return scene.logs("upstream timed out (110: Connection timed out)", 110, "reading response header from upstream",
                      count=count, path="/report")


def test_a_full_pool_of_threads_wants_more_workers() -> None:
    diagnosis = diagnose(pool().snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.repairs[0].id) == ("threadpool-exhausted", "add-workers")
    assert roots(diagnose(pool().answers(SLOW).snapshot())) == [CAUSE]      # also where the page that we ask for is late
    assert roots(diagnose(pool(established=9, count=50).snapshot())) == [CAUSE]     # between two waves of visitors
    assert first.repairs[0].needs[0].default == "6"      # 70 at once, 40 in each, twice the share and two to spare


def test_one_full_pool_of_several_workers_is_enough() -> None:
    scene = Scene().with_service(service(pids=(200, 201), workers=Known(2)), listener(8000, 200, established=70))
    scene.processes = [replace(one, threads=45) if one.pid == 200 else one for one in scene.processes]
    scene.answers(GOOD).logs("upstream timed out (110: Connection timed out)", 110,
                             "reading response header from upstream", count=4, path="/report")
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.findings[0].variant == "threadpool-exhausted"


@pytest.mark.parametrize("scene", [
    pool(threads=12), pool(established=30), pool(count=2), pool().endpoint(http=Unknown("-")),
    pool().endpoint(configured_service=None, listening_service=None),
])
def test_a_pool_that_is_not_full(scene: Scene) -> None:
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, RuledOut | Undetermined)


DONE = 'INFO:     10.0.0.9:41 - "GET /api/report HTTP/1.1" 200 OK'


def test_hung_and_busy_unknown() -> None:
    scene = late().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    for cause in (HUNG, BUSY):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), cause), Undetermined)
    quiet = late(queued=7, established=9)       # many wait, and its log shows no requests at all
    assert isinstance(verdict_of(diagnose(quiet.snapshot()), HUNG), Undetermined)
    few = late(log=Unknown("not root"), queued=1, established=1, runtime="gunicorn")
    assert isinstance(verdict_of(diagnose(few.snapshot()), BUSY), Undetermined)


def test_busy_hit() -> None:
    diagnosis = diagnose(busy().answers(TIMED_OUT, GOOD).snapshot())
    assert roots(diagnosis) == [BUSY] and diagnosis.verdict == "degraded"
    found = diagnosis.findings[0]
    assert (found.confidence, found.repairs[0].risk) == ("certain", "disruptive")
    assert (found.repairs[0].needs[0].key, found.repairs[0].needs[0].default) == ("workers", "13")
    assert not any("timeout" in repair.id for repair in found.repairs)


def test_busy_without_an_access_log_is_likely() -> None:
    assert finding_of(diagnose(late(queued=7, established=9).snapshot()), BUSY).confidence == "likely"


def test_busy_where_visitors_wait_for_the_handshake() -> None:
    """Its workers are all taken, whichever scheme nginx asks in: it answers no handshake either."""
    diagnosis = diagnose(late_handshake(queued=7, established=9).snapshot())
    assert roots(diagnosis) == [BUSY]
    found = diagnosis.findings[0]
    assert found.confidence == "likely" and "4 timed out within a minute" in found.summary
    assert any("while SSL handshaking to upstream" in e.text for e in found.evidence)
    for few in (late_handshake(queued=7, established=9, timeouts=2), late_handshake(queued=7, workers=Known(12))):
        assert isinstance(verdict_of(diagnose(few.snapshot()), BUSY), RuledOut)


def test_busy_miss() -> None:
    for scene in (healthy_scene(), late(state="T"), late(log=log_lines(DONE, ago=600)), busy(timeouts=1),
                  busy(workers=Known(12)), busy(queued=0, established=0)):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), BUSY), RuledOut)


def test_busy_unknown_number_of_workers() -> None:
    assert isinstance(verdict_of(diagnose(busy(workers=Unknown("no command")).snapshot()), BUSY), Undetermined)


def test_old_time_outs_are_no_load() -> None:
    scene = busy(timeouts=0).answers(GOOD)
    scene.logs("upstream timed out (110)", 110, "reading response header from upstream", ago=4000, count=50)
    assert diagnose(scene.snapshot()).verdict == "healthy"


def test_what_its_client_has_given_up_wants_no_worker() -> None:
    """After a long while hundreds wait in the queue; only those that nginx still waits for are there at once."""
    for queued, established, number in ((90, 5, "9"), (90, 2, "8"), (5, 30, "16"), (11, 0, "15")):
        scene = busy(queued=queued, established=established)
        assert finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].needs[0].default == number


def test_slow_without_a_failure_is_degraded_when_the_cause_is_seen() -> None:
    scene = busy().answers(SLOW, GOOD)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded" and diagnosis.health[0].state == "degraded"
    assert replace(diagnosis, notes=()).notes == ()
