"""proxy-protocol-mismatch: a port that hangs up on plain requests and answers behind a PROXY header."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Listen, ServerBlock, Span
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.model.snapshot import Snapshot
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NGINX_PID,
    NOW,
    Scene,
    file,
    finding_of,
    listener,
    probe,
    roots,
    service,
    verdict_of,
)

CAUSE = "proxy-protocol-mismatch"
INNER = "/etc/nginx/conf.d/inner.conf"
CLOSED, ANSWERED = Known(probe(error="closed", phase="head")), Known(GOOD)
TEXT = "server {\n    listen ADDRESS proxy_protocol; # inner\n    location / { proxy_pass http://127.0.0.1:9000; }\n}\n"


def snapshot(answer: Any = ANSWERED, heard: Any = CLOSED, address: str = "127.0.0.1:8000", *, flag: bool = True,
             told: bool = True, text: str = "", written: bool = True, owner: Any = None) -> Snapshot:
    """nginx passes to a port of nginx's own, where `flag` a PROXY header is required."""
    made = Scene().answers(BAD_GATEWAY)
    if owner is not None:
        made.with_service(owner, listener(8000, 200))
    else:
        made.listeners.append(listener(8000, NGINX_PID))
    made.endpoint(http=heard, tcp=Known(probe()), proxy_header_probe=answer)
    inner = (text or TEXT).replace("ADDRESS", address)
    if written:
        made.files.append(file(INNER, inner))
    made.logs("upstream prematurely closed connection", None, "reading response header from upstream")
    if told:
        made.logs('broken header: "GET / HTTP/1.0', None, "reading PROXY protocol")
    shot = made.snapshot()
    (nginx,) = shot.nginxes
    assert isinstance(nginx.config, Known)
    host, _, port = address.rpartition(":")
    spans = [i for i in range(len(inner)) if inner.startswith(address, i)]
    listens = tuple(Listen(host or "0.0.0.0", int(port), False, False, True, Span(INNER, 2, at, at + len(address)))
                    for at in spans)
    servers = (ServerBlock(listens, (), Span(INNER, 1, 0, 6), None),) if flag else ()
    return replace(shot, nginxes=(replace(nginx, config=Known(replace(nginx.config.value, servers=servers))),))


def judged(*words: Any, **named: Any) -> Diagnosis:
    return diagnose(snapshot(*words, **named))


def repair_of(diagnosis: Diagnosis) -> Any:
    (repair,) = finding_of(diagnosis, CAUSE).repairs
    return repair


def written_by(found: Finding) -> str:
    write, check, reload = found.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    return (write.after or b"").decode()


@pytest.mark.parametrize(("error", "told", "confidence"), [
    ("slow", True, "certain"), ("slow", False, "likely"), ("closed", True, None),
])
def test_behind_a_header_it_may_be_silent_for_another_reason(error: str, told: bool, confidence: str | None) -> None:
    """What is at fault behind it (a frozen backend) does not hide that it hangs up without one."""
    diagnosis = judged(Known(probe(error=error)), told=told)
    assert [found.confidence for found in diagnosis.findings if found.cause == CAUSE] == [confidence] * (confidence is not None)


def test_hit_a_port_of_nginx_that_only_this_machine_reaches() -> None:
    diagnosis = judged()
    assert roots(diagnosis) == [CAUSE]
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("backend-expects-proxy-protocol", "certain", "safe")
    assert written_by(found) == TEXT.replace("ADDRESS proxy_protocol", "127.0.0.1:8000")
    texts = [e.text for e in found.evidence]
    assert "behind a PROXY header: answers 200" in texts and "plain: no answer (closed)" in texts
    assert any("broken header" in text for text in texts)
    assert found.is_met_first, "nothing behind nginx's port is reached"
    assert not finding_of(judged(owner=service()), CAUSE).is_met_first


@pytest.mark.parametrize("error", ["closed", "reset", "tls"])
def test_hit_however_it_hangs_up(error: str) -> None:
    assert roots(judged(heard=Known(probe(error=error, phase="tls")))) == [CAUSE]


@pytest.mark.parametrize(("told", "confidence"), [(True, "certain"), (False, "likely")])
def test_by_its_configuration_where_no_header_could_be_sent(told: bool, confidence: str) -> None:
    assert finding_of(judged(Unknown("not asked"), told=told), CAUSE).confidence == confidence


def test_every_listen_of_the_address_loses_the_word() -> None:
    found = finding_of(judged(text=TEXT + TEXT.replace(" proxy_protocol", "")), CAUSE)
    assert "proxy_protocol" not in written_by(found)


def test_whether_a_load_balancer_comes_to_an_open_port_a_person_says() -> None:
    shot = snapshot(address="0.0.0.0:8000")
    repair = repair_of(diagnose(shot))
    assert [need.choices for need in repair.needs] == [("off",)] and not repair.steps
    assert finding_of(diagnose(shot, {"proxy_protocol": "off"}), CAUSE).repairs[0].steps


def test_a_server_of_stream_that_writes_the_header_comes_there_too() -> None:
    stream = "stream { server { listen 443; proxy_pass 127.0.0.1:8000; proxy_protocol on; } }\n"
    assert repair_of(judged(text=TEXT + stream)).needs


def test_that_the_visitors_address_comes_from_elsewhere_is_said() -> None:
    text = TEXT.replace("location", "real_ip_header proxy_protocol; location")
    assert "X-Forwarded-For" in repair_of(judged(text=text)).doubt and not repair_of(judged()).doubt


def test_the_settings_of_another_program_are_a_persons_work() -> None:
    proxy = service("haproxy.service", 8000, 200, is_app_server=False, gateway="haproxy", runtime=None)
    diagnosis = judged(flag=False, owner=proxy, told=False)
    found = finding_of(diagnosis, CAUSE)
    assert (found.confidence, found.service) == ("certain", "haproxy.service")
    assert found.repairs[0].risk == "manual" and "accept-proxy" in found.repairs[0].manual


def test_a_file_that_cannot_be_written_is_a_persons_work() -> None:
    repair = repair_of(judged(written=False))
    assert (repair.risk, repair.steps) == ("manual", ()) and "take proxy_protocol from the listen" in repair.manual


@pytest.mark.parametrize("shot", [
    snapshot(heard=Known(GOOD)), snapshot(heard=Known(probe(error="refused"))),
    snapshot(Known(probe(400)), flag=False, owner=service()),      # a server of HTTP that takes PROXY for a method
    snapshot(Known(probe(405)), flag=False, owner=service()),
    snapshot(Known(probe(error="closed", phase="head"))),          # it hangs up on everybody
    snapshot(Unknown("not asked"), flag=False, owner=service()),
    snapshot(Unknown("not asked"), address="10.0.0.7:8000"), snapshot(Unknown("not asked"), address="127.0.0.1:8001"),
])
def test_miss(shot: Snapshot) -> None:
    assert isinstance(verdict_of(diagnose(shot), CAUSE), RuledOut)


def test_unknown_where_the_address_was_not_asked() -> None:
    diagnosis = judged(heard=Unknown("not asked"))
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut | Undetermined)


@pytest.mark.parametrize(("ago", "is_told"), [(5.0, True), (0.0, False), (90.0, False)])
def test_connections_of_a_front_that_sends_no_header_are_told_and_are_no_fault(ago: float, is_told: bool) -> None:
    """They may be a health check's. A line of this second may be of fixer's own."""
    made = snapshot()
    (nginx,) = made.nginxes
    (line,) = [event for event in nginx.errors.or_else(()) if event.kind == "proxy-protocol-broken"]
    well = replace(made.routes[0], probes=Known((GOOD,)))
    seen = replace(made, routes=(well,), nginxes=(replace(nginx, errors=Known((replace(line, at=NOW - ago),))),))
    diagnosis = diagnose(seen)
    told = [note for note in diagnosis.notes if "no PROXY header came first" in note]
    assert diagnosis.verdict == "healthy" and bool(told) is is_told
    assert all(note.startswith("nginx closed 1 connection within 60 s, the last of") and f"{INNER}:2" in note for note in told)
