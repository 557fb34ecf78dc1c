"""error-from-config: errors that the configuration gives on purpose are advice, a check that cannot work is a fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import UNEXPLAINED, Diagnosis, Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Span, StaticLocation
from tests.causes.snapshot_builders import (
    GOOD,
    REFUSED,
    SITE,
    SLOW,
    Scene,
    at_level,
    causes_of,
    file,
    finding_of,
    healthy_scene,
    listener,
    probe,
    roots,
    service,
    verdict_of,
)

CAUSE = "error-from-config"
PAGE = probe(500, body="<center><h1>500 Internal Server Error</h1></center><hr><center>nginx</center>")
CLOSED = probe(503, body="<center><h1>503 Service Temporarily Unavailable</h1></center><hr><center>nginx</center>")
DENIED = 'open() "/etc/nginx/staff" failed (13: Permission denied)'
UNEXPECTED = "auth request unexpected status: 404"


def site(*lines: str, page: object = PAGE) -> Scene:
    """A site whose location has these lines, and its page."""
    scene = healthy_scene().answers(page)      # type: ignore[arg-type]
    text = "server {\n    listen 80;\n    location / {\n" + "".join(f"        {line}\n" for line in lines)
    start = len(text) + 8
    scene.files = [file(SITE, f"{text}        proxy_pass http://127.0.0.1:8000;\n    }}\n}}\n",
                        real_path="/etc/nginx/sites-available/shop")]
    scene.route[0] = {"source": Span(SITE, text.count("\n") + 1, start, start + 10)}
    return scene


def logging(scene: Scene, message: str, errno: int | None = None, *, level: str = "error", count: int = 1) -> Scene:
    scene.logs(message, errno, "", count=count)
    scene.events = [at_level(event, level) for event in scene.events]
    return scene


def locked(message: str = DENIED, errno: int = 13, page: object = PAGE) -> Scene:
    return logging(site("auth_basic staff;", "auth_basic_user_file staff;", page=page), message, errno, level="crit")


def guarded(message: str = UNEXPECTED, page: object = PAGE) -> Scene:
    return logging(site("auth_request /door;", page=page), message)


def found(scene: Scene) -> Finding:
    return finding_of(diagnose(scene.snapshot()), CAUSE)


def is_healthy(diagnosis: Diagnosis) -> bool:
    return diagnosis.verdict == "healthy" and not any(f.is_at_fault for f in diagnosis.findings)


def test_hit_a_password_file_that_the_workers_cannot_read() -> None:
    diagnosis = diagnose(locked().snapshot())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence) == ("auth-basic-file-unreadable", "certain")
    assert first.evidence[0].where == f"{SITE}:5"
    repair = first.repairs[0]
    assert repair.risk == "manual" and "chgrp www-data /etc/nginx/staff; chmod 640 /etc/nginx/staff" in repair.manual


@pytest.mark.parametrize("scene", [
    locked(DENIED.replace("staff", "other")),                    # a file of a site
    locked(page=GOOD),                                           # nginx can read it by now
    locked('open() "/etc/nginx/staff" failed (2: No such file or directory)', 2),     # 403, which is an answer
    logging(site("allow all;"), DENIED, 13, level="crit"),
])
def test_miss_other_files(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_hit_an_auth_request_that_gets_what_it_cannot_use() -> None:
    diagnosis = diagnose(guarded().snapshot())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("auth-subrequest-broken", "certain", "manual")
    assert "gets 404" in first.summary and f"{SITE}:4" in first.repairs[0].manual


def test_a_check_fails_for_every_page_whoever_asked() -> None:
    """The line of our own request may come after nginx's log was read: visitors' lines are enough beside our 500."""
    for scene in (guarded(), locked()):
        scene.events = [replace(event, request="POST /api/login HTTP/1.1") for event in scene.events]
        assert roots(diagnose(scene.snapshot())) == [CAUSE]
        assert CAUSE not in causes_of(diagnose(scene.answers(CLOSED).snapshot())), "nginx says 503 for another reason"


def test_visitors_lines_tell_where_no_answer_reaches_us() -> None:
    """A machine whose loopback is down: we cannot ask nginx, visitors can. Another fault may have come since."""
    for scene in (guarded(page=SLOW), locked(page=SLOW)):
        assert (found(scene).role, found(scene).confidence) == ("root", "likely")
        scene.events = [replace(event, at=event.at - 120) for event in scene.events]
        assert CAUSE not in causes_of(diagnose(scene.snapshot()))


def test_a_check_comes_before_an_address_that_stays_wrong_whatever_runs() -> None:
    """nginx asks for permission before it connects: that is what visitors meet."""
    made = service(port=8001, unit_changes={"n_restarts": 17, "active_state": "activating", "sub_state": "auto-restart"})
    scene = Scene().with_service(made, listener(8001, 200)).refused().answers(PAGE)
    one = guarded()
    scene.files, scene.events, scene.route = one.files, one.events, one.route
    assert roots(diagnose(scene.snapshot()))[:2] == [CAUSE, "wrong-port"]


def test_the_location_that_is_asked_is_named() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200)).answers(PAGE)
    one = guarded()
    scene.files, scene.events = one.files, one.events
    scene.route = {0: {**one.route[0], "auth": "/door"},
                   1: {"location": "= /door", "asked_first": True, "internal": True, "pass_text": "http://127.0.0.1:8000/x"}}
    scene.probes[1] = Unknown("internal")
    assert found(scene).repairs[0].manual.startswith(f"/door asks http://127.0.0.1:8000/x ({SITE}:")
    scene.endpoint(1, listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), listening_service=None)
    assert CAUSE not in causes_of(diagnose(scene.snapshot()))         # its backend is down: that is the cause


@pytest.mark.parametrize(("statics", "does", "line"), [
    ((("= /door", 404, 9, False),), f"/door answers with `return 404;` ({SITE}:9). Let it answer 2xx", 9),
    ((("^~ /door", 404, 9, False),), f"/door answers with `return 404;` ({SITE}:9). Let it answer 2xx", 9),
    ((("/door", None, 8, False),), f"/door looks for a file: it has neither a pass nor a return ({SITE}:8). Let it", 8),
    ((("/d", 404, 9, False), ("/", 200, 2, False)),
     f"/door has no location of its own: `location /d` takes it, and answers with `return 404;` ({SITE}:9). Let it", 9),
    ((), "/door has no location of its own: `location /` takes it, and asks http://127.0.0.1:8000", 5),
    ((("~ ^/d", 404, 9, False),), "let /door answer 2xx", 0),           # nobody knows whether the regex fits
    ((("= /door", 200, 9, True), ("= /door", None, 8, False)), "/door looks for a file", 8),   # not what it got
    ((("= /door", 404, 9, True), ("= /door", None, 8, False)), "/door answers with `return 404;`", 9),
])
def test_what_the_asked_location_does_is_shown(
    statics: tuple[tuple[str, int | None, int, bool], ...], does: str, line: int,
) -> None:
    scene = guarded()
    scene.statics = tuple(StaticLocation(0, label, code, Span(SITE, at, 0, 6), conditional)
                          for label, code, at, conditional in statics)
    scene.files[0] = replace(scene.files[0], data=scene.files[0].data + b"    location = /door {\n        return 404;\n")
    shown = found(scene)
    assert shown.repairs[0].manual.startswith(does)
    assert not line or f"{SITE}:{line}" in {one.where for one in shown.evidence}
    assert f"({SITE}:{line})" in shown.repairs[0].summary or not line


def two_locations(first: str, second: str, message: str, errno: int | None = None, *, level: str = "error",
                  servers: tuple[int, int] = (0, 0)) -> Scene:
    """Two locations with a check each, and their pages; every request of both fails."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200))
    scene.answers(PAGE).answers(PAGE, route=1)
    text, spans = "server {\n    listen 80;\n", []
    for location, line in (("/", first), ("/api/", second)):
        text += f"    location {location} {{\n        {line}\n        "
        spans.append(Span(SITE, text.count("\n") + 1, len(text), len(text) + 10))
        text += "proxy_pass http://127.0.0.1:8000;\n    }\n"
    scene.files = [file(SITE, text + "}\n", real_path="/etc/nginx/sites-available/shop")]
    scene.route = {n: {"source": span, "location": ("/", "/api/")[n], "server_index": servers[n]}
                   for n, span in enumerate(spans)}
    for path in ("/", "/api/"):
        scene.logs(message, errno, "", path=path)
    scene.events = [at_level(event, level) for event in scene.events]
    return scene


def findings(scene: Scene) -> list[Finding]:
    return [found for found in diagnose(scene.snapshot()).findings if found.cause == CAUSE]


def test_one_mistake_that_two_locations_meet_is_one_finding() -> None:
    (first,) = findings(two_locations("auth_request /door;", "auth_request /door;", UNEXPECTED))
    assert "before / and /api/, and gets 404" in first.summary and len(first.routes) == 2
    assert [e.where for e in first.evidence[:2]] == [f"{SITE}:4", f"{SITE}:8"]
    assert f"`auth_request /door;` at {SITE}:4 and {SITE}:8" in first.repairs[0].manual
    (first,) = findings(two_locations("auth_basic_user_file staff;", "auth_basic_user_file staff;", DENIED, 13, level="crit"))
    assert "/etc/nginx/staff of / and /api/" in first.summary and len(first.routes) == 2


def test_two_mistakes_are_two_findings() -> None:
    assert len(findings(two_locations("auth_request /door;", "auth_request /gate;", UNEXPECTED))) == 2
    assert len(findings(two_locations("auth_request /door;", "auth_request /door;", UNEXPECTED, servers=(0, 1)))) == 2


@pytest.mark.parametrize("scene", [
    guarded("auth request unexpected status: 502"),              # the check's own backend fails
    guarded(page=GOOD), logging(site(), UNEXPECTED), logging(site("auth_request off;"), UNEXPECTED),
])
def test_miss_an_auth_request(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_a_page_that_is_closed_on_purpose_is_advice() -> None:
    scene = site(page=CLOSED)
    scene.statics = (StaticLocation(0, "server", 503, Span(SITE, 2, 0, 6)),)
    diagnosis = diagnose(scene.snapshot())
    assert is_healthy(diagnosis)
    first = finding_of(diagnosis, CAUSE)
    assert (first.role, first.variant, first.repairs) == ("advice", "gateway-error-from-config", ())
    assert first.evidence[0].where == f"{SITE}:2"


@pytest.mark.parametrize(("line", "said"), [
    ("limit_req zone=z;", 'limiting requests, excess: 0.988 by zone "z"'),
    ("limit_conn lc 1;", 'limiting connections by zone "lc"'),
])
def test_a_limit_is_advice(line: str, said: str) -> None:
    diagnosis = diagnose(logging(site(line, page=GOOD), said, count=3).snapshot())
    assert is_healthy(diagnosis)
    first = finding_of(diagnosis, CAUSE)
    assert (first.role, first.variant) == ("advice", "rate-limit-503") and f"`{line}` turned 3 requests" in first.summary


def test_what_a_limit_explains_is_not_said_to_lack_a_cause() -> None:
    turned = probe(503, body="<center>nginx</center>")
    scene = logging(site("limit_req zone=z;", page=turned), 'limiting requests, excess: 0.988 by zone "z"', count=3)
    diagnosis = diagnose(scene.snapshot())
    assert finding_of(diagnosis, CAUSE).variant == "rate-limit-503"
    assert not any("no cause proven" in note for note in diagnosis.notes)


def test_a_limit_hides_no_other_failure() -> None:
    scene = logging(site("limit_req zone=z;", page=GOOD), 'limiting requests, excess: 0.988 by zone "z"')
    scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", ago=300.0)
    assert UNEXPLAINED in [f.cause for f in diagnose(scene.snapshot()).findings]


def test_an_error_page_that_hides_the_failure_is_advice_beside_its_cause() -> None:
    scene = site("error_page 502 =200 /sorry.html;", page=GOOD).endpoint(
        listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), listening_service=None)
    scene.route[0]["masked_by"] = "error_page 502 =200"
    scene.logs("connect() failed (111: Connection refused)", 111, "connecting to upstream")
    scene.nginx["config_mtime"] = Known(0.0)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded" or diagnosis.verdict == "broken"
    shown = [f for f in diagnosis.findings if f.cause == CAUSE]
    assert [(f.role, f.variant) for f in shown] == [("advice", "error-page-masks-status")]


def test_miss_a_healthy_site() -> None:
    for scene in (healthy_scene(), site("limit_req zone=z;", "auth_request /door;", "error_page 502 /x;", page=GOOD)):
        diagnosis = diagnose(scene.snapshot())
        assert is_healthy(diagnosis) and isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_unknown_where_nginx_s_log_could_not_be_read() -> None:
    scene = locked()
    scene.nginx["errors"] = Unknown("not root")
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "not root" in verdict.missing[0]


def test_a_configuration_that_was_not_read_says_nothing() -> None:
    made = locked().snapshot()
    unread = replace(made, nginxes=(replace(made.nginxes[0], config=Unknown("not root")),))
    assert isinstance(verdict_of(diagnose(unread), CAUSE), RuledOut)
