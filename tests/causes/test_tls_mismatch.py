"""tls-mismatch: an alert of its own says that no version is common; what a configuration forbids is offered again."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Unknown
from fixer.model.nginx_config import BackendTls
from fixer.model.plan import WriteFile
from tests.causes.snapshot_builders import BAD_GATEWAY, Scene, finding_of, healthy_scene, probe, roots, verdict_of
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
    assert any(e.where == "/etc/nginx/conf.d/tls.conf" and e.text == said for e in first.evidence)
    write = first.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and first.repairs[0].risk == "safe"
    assert write.after is not None and b"proxy_ssl_protocols TLSv1.2 TLSv1.3;" in write.after


@pytest.mark.parametrize("config", ["", "proxy_ssl_protocols TLSv1.2 TLSv1.3;\n", "# proxy_ssl_protocols TLSv1;\n"])
def test_where_nginx_offers_both_already_a_person_decides(config: str) -> None:
    (repair,) = found(told(config=config)).repairs
    assert (repair.risk, repair.steps) == ("manual", ()) and "enable one of them on backend.service" in repair.manual


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
