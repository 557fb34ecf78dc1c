"""upstream-expects-tls: plain HTTP to a port that takes TLS only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import BackendTls, Span
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    SITE,
    Scene,
    finding_of,
    listener,
    probe,
    roots,
    service,
    verdict_of,
)

ANSWERED = Known(GOOD)
CAUSE = "upstream-expects-tls"
CLOSED = probe(error="closed", phase="head")
HTTPS_PORT = probe(400, body="<center>The plain HTTP request was sent to HTTPS port</center><hr><center>nginx</center>")


def scene(heard: Any = CLOSED, other: Any = ANSWERED, page: Any = BAD_GATEWAY) -> Scene:
    made = Scene().with_service(service(), listener(8000, 200)).answers(page)
    made.endpoint(http=Known(heard), tcp=Known(probe()), other_scheme_probe=other)
    made.route[0] = {"source": Span(SITE, 3, made.files[0].data.index(b"proxy_pass"), 0)}
    return made


def judged(*words: Any, **more: Any) -> Diagnosis:
    return diagnose(scene(*words, **more).snapshot())


@pytest.mark.parametrize("error", ["closed", "reset", "not-http"])
def test_hit_it_hangs_up_on_plain_http_and_answers_tls(error: str) -> None:
    diagnosis = judged(probe(error=error, phase="head"))
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.service) == ("plain-to-tls-backend", "certain", "backend.service")
    write, check, reload = found.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert b"proxy_pass https://127.0.0.1:8000;" in (write.after or b"") and found.repairs[0].risk == "safe"


def test_hit_a_server_that_answers_400_is_no_page_for_anybody() -> None:
    diagnosis = judged(HTTPS_PORT, page=HTTPS_PORT)
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")


def test_miss_an_application_may_answer_400_itself() -> None:
    diagnosis = judged(probe(400, body="bad request"), Unknown("not asked"), page=probe(400, body="bad request"))
    assert diagnosis.verdict == "healthy" and isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_miss_it_hangs_up_on_tls_too() -> None:
    assert isinstance(verdict_of(judged(other=Known(CLOSED)), CAUSE), RuledOut)


def test_unknown_where_tls_could_not_be_tried() -> None:
    assert isinstance(verdict_of(judged(other=Unknown("no tool")), CAUSE), Undetermined)


def test_a_pass_that_also_leads_to_a_plain_server_is_a_persons_work() -> None:
    made = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    made.with_service(service("second.service", 8001, 201), listener(8001, 201)).answers(BAD_GATEWAY)
    made.endpoint(0, http=Known(CLOSED), tcp=Known(probe()), other_scheme_probe=Known(GOOD))
    snapshot = made.snapshot()
    both = replace(snapshot.routes[0], endpoints=("e0", "e1"))
    found = finding_of(diagnose(replace(snapshot, routes=(both,))), CAUSE)
    assert (found.repairs[0].risk, found.repairs[0].steps) == ("manual", ())


def test_a_scheme_in_a_variable_is_a_persons_work() -> None:
    made = scene()
    made.route[0] = {"pass_text": "$target"}
    assert finding_of(diagnose(made.snapshot()), CAUSE).repairs[0].risk == "manual"


def test_a_quoted_pass_keeps_its_quotes() -> None:
    made = scene()
    page = made.files[0]
    at = page.data.index(b"http://")
    data = page.data[:at] + b'"' + page.data[at:].replace(b";", b'";', 1)
    made.files = [replace(page, data=data)]
    write = finding_of(diagnose(made.snapshot()), CAUSE).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b'proxy_pass "https://127.0.0.1:8000";' in (write.after or b"")


def of_a_stranger() -> Scene:
    """A program that only happens to listen where nginx asks, and that takes TLS only."""
    held = service("printd.service", 8000, 400, is_app_server=False, runtime=None, argv=("/usr/sbin/printd",))
    made = Scene().with_service(held, listener(8000, 400)).answers(BAD_GATEWAY)
    made.endpoint(http=Known(probe(error="reset", phase="head")), tcp=Known(probe()), other_scheme_probe=ANSWERED, listening_service="local/printd.service",
                  configured_service="local/printd.service")
    made.route[0] = {"source": Span(SITE, 3, made.files[0].data.index(b"proxy_pass"), 0)}
    return made


def test_who_only_took_the_port_is_not_spoken_to_while_the_application_listens_elsewhere() -> None:
    diagnosis = diagnose(of_a_stranger().with_service(service(port=9102), listener(9102, 200)).snapshot())
    assert roots(diagnosis) == ["wrong-port"] and isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_whether_a_program_that_is_no_application_is_meant_a_person_says() -> None:
    found = finding_of(diagnose(of_a_stranger().snapshot()), CAUSE)
    assert (found.confidence, found.repairs[0].risk, found.repairs[0].steps) == ("likely", "manual", ())


@pytest.mark.parametrize("changes", [{"is_app_server": False, "gateway": "haproxy"}])
def test_hit_a_proxy_may_take_tls_for_the_application(changes: dict[str, Any]) -> None:
    made = of_a_stranger()
    made.services[0] = replace(made.services[0], **changes)
    found = finding_of(diagnose(made.snapshot()), CAUSE)
    assert (found.confidence, found.repairs[0].risk) == ("certain", "safe")


def test_what_anybody_could_start_is_spoken_to_by_no_repair() -> None:
    made = of_a_stranger()
    made.services[0] = service("uvicorn[400]", 8000, 400, unit=None, manager="none", id="local/printd.service")
    made.processes = [replace(p, uid=65534) for p in made.processes]
    found = finding_of(diagnose(made.snapshot()), CAUSE)
    assert (found.confidence, found.repairs[0].steps) == ("likely", ())


def test_servers_of_one_group_are_one_finding() -> None:
    made = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    made.with_service(service("second.service", 8001, 201), listener(8001, 201)).answers(BAD_GATEWAY)
    for index in (0, 1):
        made.endpoint(index, http=Known(CLOSED), tcp=Known(probe()), other_scheme_probe=ANSWERED)
    made.route[0] = {"source": Span(SITE, 3, made.files[0].data.index(b"proxy_pass"), 0)}
    snapshot = made.snapshot()
    both = replace(snapshot.routes[0], endpoints=("e0", "e1"))
    diagnosis = diagnose(replace(snapshot, routes=(both,)))
    assert roots(diagnosis) == [CAUSE]
    assert [e.where for e in diagnosis.findings[0].evidence].count("https://127.0.0.1:8001") == 1


# The backend demands a certificate of its clients.
DEMANDS = ("/usr/bin/uvicorn", "app.main:app", "--port", "8000", "--ssl-cert-reqs", "2")
SHOWN = {"client_certificate": "/etc/nginx/tls/ours.pem", "client_key": "/etc/nginx/tls/ours.key"}
ALERT = "SSL_read() failed (SSL: error:0A00045C:SSL routines::tlsv13 alert certificate required:SSL alert number 116)"
CLOSED_LINE = "upstream prematurely closed connection"


def uncertified(heard: Any = CLOSED, argv: tuple[str, ...] = DEMANDS, line: str = CLOSED_LINE, **route: Any) -> Scene:
    made = Scene().with_service(service(argv=argv, runtime=argv[0].rpartition("/")[2]), listener(8000, 200)).answers(BAD_GATEWAY)
    page = made.files[0]
    data = page.data.replace(b"http://", b"https://")
    made.files = [replace(page, data=data)]
    made.route[0] = {"scheme": "https", "source": Span(SITE, 3, data.index(b"proxy_pass"), 0), **route}
    made.logs(line, None, "reading response header from upstream")
    return made.endpoint(http=heard if isinstance(heard, Unknown) else Known(heard), tcp=Known(probe()))


@pytest.mark.parametrize(("error", "phase"), [("closed", "head"), ("reset", "head"), ("permission", "head"), ("tls", "tls")])
def test_hit_its_command_demands_a_certificate_and_nginx_shows_none(error: str, phase: str) -> None:
    diagnosis = diagnose(uncertified(probe(error=error, phase=phase)).snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence) == ("tls-client-cert-required", "certain")
    assert any(e.text == "--ssl-cert-reqs 2" for e in found.evidence)
    (repair,) = found.repairs
    assert [need.key for need in repair.needs] == ["client_certificate", "client_key"] and not repair.steps


def test_both_files_are_written_into_the_location() -> None:
    write, check, reload = finding_of(diagnose(uncertified().snapshot(), SHOWN), CAUSE).repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert b"proxy_ssl_certificate /etc/nginx/tls/ours.pem;" in (write.after or b"")
    assert b"proxy_ssl_certificate_key /etc/nginx/tls/ours.key;" in (write.after or b"")


def test_one_of_the_two_files_is_not_enough() -> None:
    only = {"client_certificate": "/etc/nginx/tls/ours.pem"}
    assert not finding_of(diagnose(uncertified().snapshot(), only), CAUSE).repairs[0].steps


@pytest.mark.parametrize("argv", [("uvicorn", "app:app", "--ssl-cert-reqs=2"), ("gunicorn", "--cert-reqs", "2", "app:app"),
                                  ("hypercorn", "--verify-mode", "CERT_REQUIRED", "app:app")])
def test_hit_whatever_the_form_of_the_option(argv: tuple[str, ...]) -> None:
    assert roots(diagnose(uncertified(argv=argv).snapshot())) == [CAUSE]


def test_hit_by_the_alert_in_nginxs_log() -> None:
    found = finding_of(diagnose(uncertified(argv=("/usr/bin/uvicorn", "a:b"), line=ALERT).snapshot()), CAUSE)
    assert (found.variant, found.confidence) == ("tls-client-cert-required", "certain")


def test_without_a_handshake_of_ours_it_is_likely() -> None:
    assert finding_of(diagnose(uncertified(Unknown("not asked")).snapshot()), CAUSE).confidence == "likely"


@pytest.mark.parametrize("made", [
    uncertified(tls=BackendTls(certificate="/c.pem", key="/c.key")),            # it shows one: another fault
    uncertified(argv=("/usr/bin/uvicorn", "a:b", "--ssl-cert-reqs", "1")),      # it only asks for one
    uncertified(argv=("/usr/bin/uvicorn", "a:b")), uncertified(GOOD), uncertified(scheme="http"),
    uncertified(probe(error="slow", phase="head")), uncertified(probe(error="refused")),
])
def test_miss_nothing_demands_a_certificate(made: Scene) -> None:
    snapshot = made.snapshot()
    verdict = verdict_of(diagnose(snapshot), CAUSE)
    assert isinstance(verdict, RuledOut | Undetermined)
