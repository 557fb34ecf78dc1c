"""tls-mismatch: an alert of its own says that no version is common; what a configuration forbids is offered again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import BackendTls
from fixer.model.plan import WriteFile
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    SITE,
    Scene,
    finding_of,
    healthy_scene,
    listener,
    probe,
    roots,
    service,
    verdict_of,
)
from tests.causes.tls_mismatch_builders import ALERT, told

CAUSE = "tls-mismatch"
SHAKING = "SSL handshaking to upstream"
NONE = "SSL_do_handshake() failed (SSL: error:0A0000BF:SSL routines::no protocols available)"
OTHER = "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number)"


def found(scene: Scene) -> Finding:
    return finding_of(diagnose(scene.snapshot()), CAUSE)


@pytest.mark.parametrize("message", [ALERT, NONE, ALERT.replace("alert protocol version", "unsupported protocol")])
@pytest.mark.parametrize("said", ["TLSv1.1", "TLSv1 TLSv1.1", "TLSv1.3"])
def test_hit(message: str, said: str) -> None:
    diagnosis = diagnose(told(message, f"proxy_ssl_protocols {said};\n").snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence) == ("tls-protocol-mismatch", "certain")
    assert any(e.where == "/etc/nginx/conf.d/tls.conf:1" and e.text == f"proxy_ssl_protocols {said};" for e in first.evidence)
    write = first.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and first.repairs[0].risk == "safe"
    assert write.after is not None and b"proxy_ssl_protocols TLSv1.2 TLSv1.3;" in write.after


@pytest.mark.parametrize("config", ["", "proxy_ssl_protocols TLSv1.2 TLSv1.3;\n", "# proxy_ssl_protocols TLSv1;\n"])
def test_where_nginx_offers_both_already_a_person_decides(config: str) -> None:
    (repair,) = found(told(config=config)).repairs
    assert (repair.risk, repair.steps) == ("manual", ()) and "enable one of them on backend.service" in repair.manual


def test_what_holds_for_the_location_counts_and_not_what_the_file_says_first() -> None:
    """The same file sets it for others, and one location less: that one is mended, once for each that fails."""
    scene, before = told(), b"proxy_ssl_protocols TLSv1.2 TLSv1.3;\n"
    page = scene.files[0]
    at = scene.snapshot().routes[0].route.source
    own = page.data.replace(b"; }", b"; proxy_ssl_protocols TLSv1.2; }", 1)
    scene.files[0] = replace(page, data=before + own)
    scene.route[0]["source"] = replace(at, line=at.line + 1, start=at.start + len(before), end=at.end + len(before))
    first = found(scene)
    assert any(e.where == f"{SITE}:4" and e.text == "proxy_ssl_protocols TLSv1.2;" for e in first.evidence)
    write = first.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and first.repairs[0].risk == "safe"
    assert (write.after or b"").count(b"proxy_ssl_protocols TLSv1.2 TLSv1.3;") == 2


def test_of_another_page_of_a_route_that_fails_us_it_is_likely() -> None:
    assert found(told(path="/login")).confidence == "likely"


@pytest.mark.parametrize("scene", [
    healthy_scene(), healthy_scene().logs(ALERT, None, SHAKING, count=5), told(scheme="http"), told(OTHER),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_without_the_log() -> None:
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.nginx["errors"] = Unknown("denied")
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


# The certificate that nginx shows its backend.
FILE = "/etc/nginx/tls/ours.pem"
GONE = (f'cannot load certificate "{FILE}": BIO_new_file() failed (SSL: error:80000002:system library::No such file or '
        f'directory:calling fopen({FILE}, r) error:10000080:BIO routines::no such file)')
BY_VARIABLE = BackendTls(certificate="$papers.pem", key="$papers.key")


def lost(message: str = GONE, *, path: str = "/", **route: object) -> Scene:
    scene = healthy_scene().answers(probe(500, body="<hr><center>nginx/1.26.3</center>"))
    scene.route[0] = {"scheme": "https", "tls": BY_VARIABLE, **route}
    return scene.logs(message, None, "connecting to upstream", path=path)


@pytest.mark.parametrize(("message", "said", "step"), [
    (GONE, "it is not there", "put the file"),
    (GONE.replace("certificate ", "certificate key ", 1), "it is not there", "put the file"),
    (GONE.replace("No such file or directory", "Permission denied"), "its workers may not read it", "let nginx's workers read"),
])
def test_hit_a_file_that_a_variable_names_cannot_be_read(message: str, said: str, step: str) -> None:
    diagnosis = diagnose(lost(message).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence) == ("tls-client-cert-file-missing", "certain")
    assert FILE in first.summary and said in first.summary
    assert any(e.text == "proxy_ssl_certificate $papers.pem" for e in first.evidence)
    (repair,) = first.repairs
    assert (repair.risk, repair.steps) == ("manual", ()) and step in repair.manual and FILE in repair.manual


def test_a_file_of_another_page_is_likely() -> None:
    assert found(lost(path="/login")).confidence == "likely"


@pytest.mark.parametrize("scene", [
    lost().answers(probe(200)), lost(scheme="http"), lost(tls=BackendTls(certificate=FILE, key=FILE)),
    lost('cannot load certificate "data:$cert": PEM_read_bio_X509_AUX() failed'),
])
def test_miss_no_file_is_missing_now(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


# A handshake that one end refuses, with a reason.
REFUSED_LINE = "SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::ssl/tls alert handshake failure:SSL alert number 40)"
WEAK = "SSL_do_handshake() failed (SSL: error:0A00018A:SSL routines::dh key too small)"


@pytest.mark.parametrize(("message", "reason", "step"), [
    (REFUSED_LINE, "ssl/tls alert handshake failure", "compare proxy_ssl_ciphers"), (WEAK, "dh key too small", "that OpenSSL of today takes"),
])
def test_hit_one_end_refuses_and_says_why(message: str, reason: str, step: str) -> None:
    diagnosis = diagnose(told(message).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence) == ("tls-handshake-refused", "likely")
    assert first.summary.endswith(f": {reason}") and step in first.repairs[0].manual


def test_miss_a_refused_handshake_of_plain_http_or_of_one_visitor() -> None:
    plain = told(REFUSED_LINE).endpoint(other_scheme_probe=Known(probe(200)))
    for scene in (plain, told(REFUSED_LINE, path="/login"), told(REFUSED_LINE).answers(probe(200))):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


# A backend that ends every handshake, or answers none.
PEER = "peer closed connection in SSL handshake"
LATE = "upstream timed out (110: Connection timed out)"
HUNG_UP, NO_ANSWER = probe(error="closed", phase="tls"), probe(error="slow", phase="tls")
CLOSED_PLAIN = Known(probe(error="closed", phase="head"))


def shaken(message: str = PEER, heard: Any = HUNG_UP, names: tuple[str, ...] = ("shop.example", ""), *,
           other: Any = CLOSED_PLAIN, header: Any = CLOSED_PLAIN, path: str = "/", started: float = 3600.0,
           **end: Any) -> Scene:
    scene = Scene().with_service(service(unit_changes={"active_enter": NOW - started}), listener(8000, 200),
                                 started_at=NOW - started).answers(BAD_GATEWAY)
    scene.route[0] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000"}
    scene.endpoint(http=Known(heard), tcp=Known(probe()), other_scheme_probe=other, proxy_header_probe=header,
                   tls_names=tuple((name, heard) for name in names), **end)
    return scene.logs(message, None, SHAKING, path=path)


@pytest.mark.parametrize("error", ["closed", "reset", "tls"])
def test_hit_it_ends_every_handshake_whoever_asks(error: str) -> None:
    diagnosis = diagnose(shaken(heard=probe(error=error, phase="tls")).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence, first.service) == ("tls-peer-closed", "likely", "backend.service")
    assert first.repairs[0].risk == "manual" and "Read its own log" in first.repairs[0].manual


def test_hit_whoever_asked() -> None:
    assert found(shaken(path="/login")).variant == "tls-peer-closed"


def test_hit_a_backend_that_started_in_the_second_of_the_first_line() -> None:
    """nginx cuts its times to whole seconds: such a line seems to be older than the program that it is about."""
    assert found(shaken(started=4.4)).variant == "tls-peer-closed"


def test_hit_a_backend_elsewhere_that_answers_no_handshake() -> None:
    scene = shaken(LATE, NO_ANSWER, other=Known(NO_ANSWER), header=Unknown("not asked"), node=None,
                   configured_service=None, listening_service=None)
    first = found(scene)
    assert (first.variant, first.service) == ("tls-handshake-timeout", None) and "127.0.0.1:8000" in first.summary


@pytest.mark.parametrize("scene", [
    shaken().answers(probe(200)), shaken(names=()), shaken(other=Known(probe(200))),
    shaken(other=Unknown("not asked")), shaken(header=Known(probe(200))), shaken(started=2.0),
    shaken(heard=probe(200)), shaken(heard=probe(error="closed", phase="head")),
    shaken(LATE, NO_ANSWER, other=Known(NO_ANSWER), header=Unknown("not asked")),   # a service here: it hangs
])
def test_miss_where_another_way_is_answered_or_more_is_known(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)
