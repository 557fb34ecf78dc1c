"""no-live-upstreams: groups of which nginx asks no server, or only a dead one, and what explains them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Route, Span, UpstreamServer
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.model.snapshot import ProbeResult, Snapshot
from fixer.render.build_report import build_report
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    REFUSED,
    SITE,
    Scene,
    finding_of,
    healthy_scene,
    listener,
    roots,
    service,
    stopped_service,
    verdict_of,
)

CAUSE = "no-live-upstreams"
NONE_LEFT = ("no live upstreams", None, "connecting to upstream")
STOPS = "proxy_next_upstream off http_503, /etc/nginx/nginx.conf:9"
FIRST, SECOND = "127.0.0.1:8000", "192.0.2.7:8001"


def group(*servers: str, logged: int = 3, probes: tuple[Any, ...] = (BAD_GATEWAY,), fail_timeout: float = 10.0,
          max_conns: int = 0, dead: tuple[int, ...] = (), about: dict[str, Any] | None = None, **route: Any) -> Snapshot:
    """nginx before a group, written as `ADDRESS [down]`; the first is a unit here, the second another machine's."""
    lines = [f"    server {text};" for text in servers]
    page = "\n".join(["upstream shop {", *lines, "}", "server { location / { proxy_pass http://shop; } }", ""])
    written = [text.partition(" ")[0] for text in servers]
    scene = Scene(*written).with_service(service(), listener(8000, 200)).answers(*probes)
    scene.files[0] = replace(scene.files[0], data=page.encode())
    for index, address in enumerate(written):
        at = page.index(address)
        scene.endpoint(index, file=SITE, line=index + 2, start=at, end=at + len(address), down="down" in servers[index],
                       **{"tcp": Known(GOOD), "http": Known(GOOD), **(about or {})})
        if index in dead:
            scene.endpoint(index, tcp=Known(REFUSED), http=Known(REFUSED), listener=Known(None), listening_service=None,
                           configured_service=None)
    if logged:
        scene.logs(*NONE_LEFT, count=logged)
    made = scene.snapshot()
    at = page.index("proxy_pass")
    members = tuple(UpstreamServer(text, text, 80, None, Span(SITE, 2, 0, 0), fail_timeout=fail_timeout, max_conns=max_conns)
                    for text in written)
    one = replace(made.routes[0].route, upstream="shop", servers=members, pass_text="http://shop",
                  source=Span(SITE, len(servers) + 3, at, at + len("proxy_pass")), **route)
    facts = replace(made.routes[0], route=one, endpoints=tuple(end.id for end in made.endpoints))
    return replace(made, routes=(facts,))


def judged(snapshot: Snapshot, **inputs: str) -> Diagnosis:
    return diagnose(snapshot, inputs)


def found(snapshot: Snapshot, **inputs: str) -> Finding:
    return finding_of(judged(snapshot, **inputs), CAUSE)


def written(finding: Finding) -> bytes:
    write, check, reload = finding.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    return write.after or b""


def test_hit_every_server_is_marked_down_and_a_person_chooses() -> None:
    snapshot = group(f"{FIRST} down", f"{SECOND} weight=2 down max_fails=0")
    diagnosis = judged(snapshot)
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence) == ("upstream-all-marked-down", "certain")
    assert "every server of upstream shop is marked down; 2 of 2 answer when asked directly" in first.summary
    assert f"server {FIRST} down;" in first.evidence[0].text
    (repair,) = first.repairs
    assert (repair.risk, repair.steps, repair.needs[0].choices, repair.needs[0].default) == ("safe", (), (FIRST, SECOND), None)
    assert f"server {FIRST};".encode() in written(found(snapshot, server=FIRST))
    other = written(found(snapshot, server=SECOND))
    assert f"server {SECOND} weight=2 max_fails=0;".encode() in other and f"server {FIRST} down;".encode() in other


def test_the_only_server_is_marked_down() -> None:
    assert "the only server of upstream shop is marked down; it answers" in found(group(f"{FIRST} down")).summary


@pytest.mark.parametrize(("answer", "verdict"), [(GOOD, "ruled-out"), (REFUSED, "undetermined")])
def test_nobody_knows_of_a_server_that_is_marked_down_what_it_would_answer(answer: ProbeResult, verdict: str) -> None:
    """nginx asks none of them: a service that is stopped behind the mark is met once the mark is gone."""
    seen = group(f"{FIRST} down")
    seen = replace(seen, endpoints=tuple(replace(end, http=Known(answer), tcp=Known(answer)) for end in seen.endpoints))
    report = build_report(seen, judged(seen), duration_ms=1.0)
    assert [f.cause for f in report.findings if f.role == "root"] == [CAUSE]
    assert {check.verdict for check in report.checks if check.cause in ("backend-down", "crash-file-access")} == {verdict}


def test_hit_all_failed_a_moment_ago_and_answer_again() -> None:
    diagnosis = judged(group(FIRST, SECOND))
    first = diagnosis.findings[0]
    assert (roots(diagnosis), first.variant) == ([CAUSE], "fail-timeout-window") and "for 10 s" in first.summary
    (repair,) = first.repairs
    assert repair.waits and repair.steps == ()


def test_a_long_wait_is_ended_by_a_reload() -> None:
    (repair,) = found(group(FIRST, SECOND, fail_timeout=120.0)).repairs
    assert (repair.id, repair.risk, [type(step) for step in repair.steps]) == ("reload-nginx", "safe", [CheckNginx, ReloadNginx])


def test_hit_a_name_whose_addresses_all_failed() -> None:
    snapshot = group("shop.test:8000", about={"addresses": Known(("192.0.2.7", "192.0.2.8"))})
    bare = replace(snapshot, routes=(replace(snapshot.routes[0], route=replace(snapshot.routes[0].route, upstream="")),))
    first = found(bare)
    assert first.variant == "multi-address-group-down" and "the name shop.test" in first.summary


def test_hit_a_dead_server_and_no_second_try() -> None:
    snapshot = group(FIRST, SECOND, logged=0, probes=(GOOD, BAD_GATEWAY) * 6, dead=(1,), one_try=STOPS)
    diagnosis = judged(snapshot)
    first = diagnosis.findings[0]
    assert (roots(diagnosis), first.variant) == ([CAUSE], "partial-group-failure")
    assert f"1 of 2 servers of upstream shop accept no connection ({SECOND})" in first.summary
    assert b"proxy_next_upstream error timeout http_503;" in written(first) and first.repairs[0].risk == "safe"
    tries = "proxy_next_upstream_tries 1, /etc/nginx/nginx.conf:9"
    limited = group(FIRST, SECOND, logged=0, probes=(GOOD, BAD_GATEWAY) * 6, dead=(1,), one_try=tries)
    assert b"proxy_next_upstream_tries 0;" in written(found(limited))


def test_each_location_of_the_group_may_try_the_next_server() -> None:
    """With one of them the other went on failing, and the repair was taken back."""
    seen = group(FIRST, SECOND, logged=0, probes=(GOOD, BAD_GATEWAY) * 6, dead=(1,), one_try=STOPS)
    page = seen.files[0].data
    other = page.replace(b"{ location / ", b"{ location /ws { proxy_pass http://shop; } location / ")
    first, later = other.index(b"proxy_pass"), other.rindex(b"proxy_pass")
    one, line = seen.routes[0], seen.routes[0].route.source.line
    routes = tuple(replace(one, route=replace(one.route, id=name, location=path, path=path, source=Span(SITE, line, at, at + 10)))
                   for name, path, at in (("r1", "/", later), ("r2", "/ws", first)))
    both = found(replace(seen, routes=routes, files=(replace(seen.files[0], data=other), *seen.files[1:])))
    assert both.routes == ("r1", "r2") and written(both).count(b"proxy_next_upstream error timeout http_503;") == 2
    assert len(both.repairs) == 1


def test_what_keeps_the_servers_from_answering_explains_it() -> None:
    snapshot = group(SECOND, "192.0.2.8:8001", dead=(0, 1))
    alone = found(snapshot)
    assert (alone.variant, alone.role, alone.repairs[0].risk) == ("fail-timeout-window", "root", "manual")
    starting = service(pid=300, unit_changes={"active_enter": NOW - 4}, bindings=Unknown("its own settings name them"))
    begun = tuple(replace(end, configured_service=starting.id) for end in snapshot.endpoints)
    early = judged(replace(snapshot, endpoints=begun, services=(starting,)))
    assert roots(early) == ["slow-start"] and finding_of(early, CAUSE).role == "consequence"
    ends = tuple(replace(end, configured_service="local/backend.service") for end in snapshot.endpoints)
    down = replace(snapshot, endpoints=ends, services=(stopped_service(),))
    diagnosis = judged(down)
    assert CAUSE not in roots(diagnosis) and roots(diagnosis)
    assert finding_of(diagnosis, CAUSE).role == "consequence"


@pytest.mark.parametrize("snapshot", [
    healthy_scene().snapshot(),
    group(FIRST, SECOND, probes=(GOOD,)),                                                # over: every request is answered
    group(FIRST, logged=0),                                                              # a group of one is never left out
    group(FIRST, SECOND, max_conns=2),                                                   # overload-saturated
    group(FIRST, f"{SECOND} down", logged=0, probes=(GOOD,)),                            # one is in use
    group(FIRST, SECOND, logged=0, probes=(GOOD,) * 8, dead=(1,)),                       # nginx asks the other one
    group(f"{FIRST} down", probes=(GOOD,), logged=0),                                    # a cache or a page answers
])
def test_miss(snapshot: Snapshot) -> None:
    assert isinstance(verdict_of(judged(snapshot), CAUSE), RuledOut)


def test_unknown() -> None:
    snapshot = group(FIRST, SECOND, about={"http": Unknown("no probe"), "tcp": Unknown("no probe")})
    assert isinstance(verdict_of(judged(snapshot), CAUSE), Undetermined)
    no_http = group(FIRST, SECOND, about={"http": Unknown("the upstream protocol is not HTTP")}, kind="uwsgi_pass")
    assert isinstance(verdict_of(judged(no_http), CAUSE), Undetermined)
    unread = replace(snapshot, nginxes=(replace(snapshot.nginxes[0], errors=Unknown("denied")),))
    assert isinstance(verdict_of(judged(unread), CAUSE), Undetermined)


def test_a_file_that_cannot_be_edited_is_named() -> None:
    snapshot = replace(group(f"{FIRST} down"), files=())
    (repair,) = found(snapshot, server=FIRST).repairs
    assert repair.risk == "manual" and f"remove `down` at {SITE}:2" in repair.manual


def test_routes_of_one_group_share_one_finding() -> None:
    snapshot = group(f"{FIRST} down")
    facts = snapshot.routes[0]
    second: Route = replace(facts.route, id="r2", location="/api", path="/api")
    both = replace(snapshot, routes=(facts, replace(facts, route=second)))
    assert found(both).routes == ("r1", "r2")
