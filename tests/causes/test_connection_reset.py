"""connection-reset: a running backend that hangs up before it answers, and uploads that it answers unread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import KeptConnections, Span
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.model.snapshot import ProbeResult
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    SITE,
    SLOW,
    Scene,
    error_event,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    own_verdict,
    probe,
    process,
    roots,
    service,
    verdict_of,
    wrong_port_scene,
)

CAUSE = "connection-reset"
RESET = ("recv() failed (104: Connection reset by peer)", 104, "reading response header from upstream")
SENDING = "writev() failed (104: Connection reset by peer)"
REFUSAL = 'INFO:     127.0.0.1:40112 - "POST /scan HTTP/1.1" 413 Request Entity Too Large'


def hung_up(error: str = "reset", *, logged: bool = True, tcp: ProbeResult | None = None, **about: Any) -> Scene:
    """The service takes the connection and closes it, for us as for nginx."""
    scene = Scene().with_service(service(**about), listener(8000, 200)).answers(BAD_GATEWAY)
    heard = ProbeResult(None, error, None, "response", 3.0)
    scene.endpoint(tcp=Known(tcp or probe()), http=Known(heard))
    return scene.logs(*RESET) if logged else scene


def uploads(*said: str, message: str = SENDING, method: str = "POST", count: int = 2, ago: float = 40.0,
            started_at: float = NOW - 3600) -> Scene:
    """Some uploads were reset while nginx sent them; every page that we ask for is well."""
    made = service(log=log_lines(*said, ago=ago))
    scene = Scene().with_service(made, listener(8000, 200), started_at=started_at).answers(GOOD)
    for number in range(count):
        request = f"{method} /scan HTTP/1.1"
        scene.events.append(error_event(
            NOW - ago - 2 * number, "error", message, 104, "sending request to upstream", client="203.0.113.9", server="",
            request=request, upstream="http://127.0.0.1:8000/scan", where=f"/var/log/nginx/error.log:{number + 1}",
            raw=f'[error] 101#101: *{number} {message} while sending request to upstream, request: "{request}"'))
    return scene


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def verdict(scene: Scene) -> object:
    return verdict_of(diagnose(scene.snapshot()), CAUSE)


@pytest.mark.parametrize("error", ["reset", "closed"])
def test_hit_each_connection_is_closed(error: str) -> None:
    diagnosis = diagnose(hung_up(error, log=log_lines("WARNING: peer is not in the list")).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.routes) == ("connection-reset-before-reply", "certain", ("r1",))
    assert f"then: {error}, asked directly" in first.evidence[0].text
    assert {e.source for e in first.evidence} >= {"probe", "socket", "nginx-log", "unit"}
    (repair,) = first.repairs
    assert (repair.id, repair.risk, repair.steps) == ("mend-backend", "manual", ())
    assert "peer is not in the list" in repair.manual


def test_hit_behind_uwsgi_too() -> None:
    scene = hung_up("closed").endpoint(protocol="uwsgi")
    scene.route[0] = {"kind": "uwsgi_pass"}
    assert found(scene).evidence[0].where == "uwsgi://127.0.0.1:8000/"


def test_without_nginxs_own_line_it_is_likely() -> None:
    assert found(hung_up(logged=False)).confidence == "likely"


def test_hit_uploads_that_were_answered_unread() -> None:
    diagnosis = diagnose(uploads(REFUSAL).snapshot())
    first = finding_of(diagnosis, CAUSE)
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "degraded")
    assert (first.variant, first.confidence) == ("early-response-upload", "certain")
    assert "answers 413 to 2 uploads of /" in first.summary and REFUSAL in first.evidence[-2].text
    (repair,) = first.repairs
    assert (repair.risk, repair.steps, repair.needs[0].key, repair.needs[0].default) == ("disruptive", (), "max_body", None)


def test_the_limit_that_a_person_names_is_written_into_the_location() -> None:
    (repair,) = found(uploads(REFUSAL), max_body="10m").repairs
    write, check, reload = repair.steps
    assert isinstance(write, WriteFile) and b"client_max_body_size 10m;" in (write.after or b"")
    assert isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert (repair.risk, repair.proof) == ("disruptive", "mechanism") and "smaller uploads" in repair.doubt
    lost = uploads(REFUSAL)
    lost.files.clear()
    assert "client_max_body_size 10m" in found(lost, max_body="10m").repairs[0].manual


def test_a_connection_that_was_kept_explains_it_unless_the_server_logged_its_answer() -> None:
    kept = KeptConnections(16, 60.0, Span(SITE, 3, 0, 0), allowed=True)
    silent, told = uploads("INFO: started"), uploads(REFUSAL)
    for scene in (silent, told):
        scene.route[0] = {"upstream": "shop", "kept": kept}
    assert roots(diagnose(silent.snapshot())) == ["keepalive-race"]
    assert roots(diagnose(told.snapshot())) == [CAUSE]


CUT = "upstream prematurely closed connection"


def cut(count: int = 1, *, started_at: float = NOW - 3600, ago: float = 40.0, **about: Any) -> Scene:
    """Answers that ended early, of a page that is well when we ask for it."""
    scene = Scene().with_service(service(**about), listener(8000, 200), started_at=started_at).answers(GOOD)
    return scene.logs(CUT, None, "reading upstream", ago=ago, count=count, path="/report")


def test_hit_answers_that_end_early_though_no_process_ended() -> None:
    diagnosis = diagnose(cut(2, log=log_lines("WARNING: the stream was closed")).snapshot())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "degraded")
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence, first.service) == ("answer-cut-off", "likely", "backend.service")
    assert "in the middle of 2 answers to /" in first.summary and "the stream was closed" in first.repairs[0].manual


def test_hit_in_the_very_second_of_the_start() -> None:
    """nginx's log tells whole seconds: what follows a refused connection is of the new run, and of its last process."""
    scene = cut(2, started_at=NOW - 41, log=log_lines("WARNING: the stream was closed"), pids=(200, 201))
    scene.processes.append(process(201, "/usr/bin/node", started_at=NOW - 39.3, ppid=200))
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    cuts, scene.events = scene.events, []
    scene.logs("connect() failed (111: Connection refused)", 111, "connecting to upstream", ago=40.0)
    scene.events += cuts
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


EARLY, WHOLE = probe(200, whole=False), probe(200, whole=True)


def ends_early(direct: ProbeResult = EARLY, **about: Any) -> Scene:
    """Our own request gets half a page through nginx; no visitor has met it yet."""
    scene = Scene().with_service(service(**about), listener(8000, 200)).answers(EARLY, EARLY)
    return scene.endpoint(http=Known(direct))


def test_hit_a_page_that_ends_early_for_us_before_any_visitor_met_it() -> None:
    diagnosis = diagnose(ends_early().snapshot())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence, first.service) == ("answer-cut-off", "likely", "backend.service")
    assert "also without nginx" in first.summary
    assert [shown.text for shown in first.evidence[:2]] == [
        "answers 200, and ends early, asked directly, without nginx", "answers 200, and ends early"]


def test_hit_another_page_of_the_route_and_what_its_server_does_to_other_routes() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200))
    scene.answers(WHOLE, replace(EARLY, page="/login")).answers(EARLY, route=1).endpoint(http=Known(WHOLE)).endpoint(1, http=Known(WHOLE))
    seen = scene.snapshot()
    assert CAUSE not in roots(diagnose(seen)), "asked directly it sends all of it"
    first, second = seen.routes
    told = replace(first, direct=((first.endpoints[0], replace(EARLY, page="/login")),))
    diagnosis = diagnose(replace(seen, routes=(told, second)))
    assert [finding.routes for finding in diagnosis.findings if finding.cause == CAUSE] == [("r1",), ("r2",)]
    assert "/login" in finding_of(diagnosis, CAUSE).evidence[0].where


@pytest.mark.parametrize("scene", [
    ends_early(WHOLE), ends_early(GOOD), ends_early(gateway="haproxy", is_app_server=False, runtime=""),
])
def test_miss_a_page_that_its_server_sends_whole_or_only_hands_on(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert CAUSE not in roots(diagnosis) and diagnosis.verdict == "broken"


@pytest.mark.parametrize("scene", [
    cut(started_at=NOW - 20),                                                                # it is another process now
    cut(gateway="haproxy", is_app_server=False, runtime=""), cut(ago=7200.0), cut(log=Unknown("not root")),
])
def test_miss_an_answer_that_ended_with_its_process(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(),
    hung_up(gateway="haproxy", is_app_server=False, runtime=""),                             # it only forwards
    hung_up(is_app_server=False, runtime="binary"),                                          # a stranger on that port
    hung_up().endpoint(configured_service="local/other.service"),
    hung_up("slow"),                                                                         # it does not hang up
    hung_up().endpoint(other_scheme_probe=Known(GOOD)),                                      # it answers in TLS
    uploads(REFUSAL, method="GET"),
    uploads(REFUSAL, ago=1200.0),
    uploads(REFUSAL, message="upstream sent invalid header"),
    uploads(REFUSAL, started_at=NOW - 20).endpoint(http=Known(SLOW)),                        # by a process that ended
])
def test_miss(scene: Scene) -> None:
    assert isinstance(own_verdict(scene.snapshot(), CAUSE), RuledOut)


def test_miss_where_a_worker_died() -> None:
    scene = hung_up(runtime="gunicorn", workers=Known(2), log=log_lines("[ERROR] Worker (pid:812) was sent SIGKILL!", ago=5.0))
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_unknown() -> None:
    hidden = hung_up().endpoint(listening_service=None)
    hidden.listeners[-1] = replace(hidden.listeners[-1], pids=Unknown("not root"))
    hidden.services.clear()
    unread = uploads(REFUSAL)
    unread.services[0] = replace(unread.services[0], log=Unknown("not root"))
    for scene in (hidden, unread, uploads("INFO: started"), uploads(REFUSAL.replace("413", "200"))):
        assert isinstance(verdict(scene), Undetermined)


@pytest.mark.parametrize(("folder", "risk"), [
    ("/srv/shop/releases/7 (deleted)", "disruptive"), ("/srv/shop/releases/8", "manual"),
])
def test_what_runs_in_a_removed_folder_is_restarted(folder: str, risk: str) -> None:
    """A deployment removed the release that still runs; the new one is there, and its files are well."""
    scene = hung_up("closed")
    scene.processes = [replace(p, cwd=Known(folder)) for p in scene.processes]
    made = found(scene)
    assert made.repairs[0].risk == risk
    assert any("(deleted)" in e.text for e in made.evidence) is any("was removed" in d for d in made.detail) is (
        risk == "disruptive")
