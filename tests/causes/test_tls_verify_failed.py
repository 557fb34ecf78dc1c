"""tls-verify-failed: nginx's own words say whether it is the signer, the name or the date; nothing is turned off."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import CheckNginx, ReloadNginx, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    Scene,
    finding_of,
    healthy_scene,
    process,
    roots,
    service,
    stat,
    verdict_of,
)

CAUSE = "tls-verify-failed"
SHAKING = "SSL handshaking to upstream"
ERROR = "upstream SSL certificate verify error: "
STRANGER, EXPIRED = f"{ERROR}(20:unable to get local issuer certificate)", f"{ERROR}(10:certificate has expired)"
SELF = f"{ERROR}(18:self-signed certificate)"
NAME = 'upstream SSL certificate does not match "old.internal"'
PEM = "/srv/shop/tls/own.pem"


def told(message: str, *, path: str = "/", **route: object) -> Scene:
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.route[0] = {"scheme": "https", **route}
    scene.services[0] = service(command=tuple(CommandArgument(word, "/u", 6) for word in ("uvicorn", "--ssl-certfile", PEM)))
    return scene.logs(message, None, SHAKING, path=path)


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


@pytest.mark.parametrize(("message", "variant", "repair", "key"), [
    (STRANGER, "tls-verify-unknown-ca", "trust-certificate", "ca"), (SELF, "tls-verify-unknown-ca", "trust-certificate", "ca"),
    (NAME, "tls-verify-name", "name-certificate", "tls_name"), (EXPIRED, "tls-verify-expired", "renew-certificate", ""),
    (f"{ERROR}(9:certificate is not yet valid)", "tls-verify-expired", "renew-certificate", ""),
    (f"{ERROR}(7:certificate signature failure)", "tls-verify-unknown-ca", "renew-certificate", ""),
])
def test_hit(message: str, variant: str, repair: str, key: str) -> None:
    diagnosis = diagnose(told(message).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence, first.service) == (variant, "certain", "backend.service")
    assert first.evidence[0].source == "nginx-log"
    (offered,) = first.repairs
    assert (offered.id, [need.key for need in offered.needs], offered.steps) == (repair, [key] if key else [], ())
    assert (offered.risk == "manual") is not bool(key)


@pytest.mark.parametrize(("message", "inputs", "line"), [
    (SELF, {"ca": PEM}, f"proxy_ssl_trusted_certificate {PEM};"), (NAME, {"tls_name": "shop.internal"}, "proxy_ssl_name shop.internal;"),
])
def test_what_a_person_chooses_is_set_beside_the_pass(message: str, inputs: dict[str, str], line: str) -> None:
    write, check, reload = found(told(message), **inputs).repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert write.after is not None and line.encode() in write.after


@pytest.mark.parametrize("message", [EXPIRED, STRANGER, NAME])
@pytest.mark.parametrize(("age", "is_new"), [(100.0, True), (900.0, False)])
def test_a_certificate_that_was_renewed_since_its_start_needs_a_restart(message: str, age: float, is_new: bool) -> None:
    scene = told(message)
    scene.processes = [process(200, "uvicorn", started_at=NOW - 600)]
    scene.node_changes["local"] = {"files": ((PEM, stat(mtime=NOW - age)),)}
    first = found(scene)
    assert (first.repairs[0].id == "restart-service") is is_new
    if is_new:
        assert [step.verb for step in first.repairs[0].steps if isinstance(step, UnitAction)] == ["restart"]
        assert (PEM, "changed 8 min after backend.service started") in [(e.where, e.text) for e in first.evidence]


def test_a_chain_that_ends_before_the_trusted_ca_is_thought_of() -> None:
    scene = told(STRANGER)
    line = b"    proxy_ssl_trusted_certificate /etc/ssl/own-ca.pem;\n    proxy_pass"
    scene.files[0] = replace(scene.files[0], data=scene.files[0].data.replace(b"proxy_pass", line, 1))
    first = found(scene)
    assert "the whole chain into its file (/srv/shop/tls/own.pem)" in first.detail[0]
    assert "proxy_ssl_trusted_certificate /etc/ssl/own-ca.pem;" in first.evidence[-1].text
    assert found(told(STRANGER)).detail == ()


@pytest.mark.parametrize(("age", "is_new"), [(100.0, True), (900.0, False)])
def test_an_authority_that_changed_since_nginx_read_it_needs_a_reload(age: float, is_new: bool) -> None:
    """The file holds the right authority, and was called what nginx trusts: another one was asked for."""
    scene = told(STRANGER)
    line = b"    proxy_ssl_trusted_certificate /etc/ssl/own-ca.pem;\n    proxy_pass"
    scene.files[0] = replace(scene.files[0], data=scene.files[0].data.replace(b"proxy_pass", line, 1))
    scene.nginx |= {"loaded_at": Known(NOW - 600), "config_mtime": Known(NOW - 700)}
    scene.node_changes["local"] = {"files": (("/etc/ssl/own-ca.pem", stat(mtime=NOW - age)),)}
    first = found(scene)
    assert (first.repairs[0].id == "reload-nginx") is is_new
    if is_new:
        assert ("/etc/ssl/own-ca.pem", "changed 8 min after nginx loaded its configuration") in [(e.where, e.text) for e in first.evidence]
        assert [type(step) for step in first.repairs[0].steps] == [CheckNginx, ReloadNginx]


def test_of_a_certificate_that_signed_itself_its_file_is_named() -> None:
    assert f"it is self-signed, so trust its own file ({PEM})" in found(told(SELF)).repairs[0].needs[0].why
    assert PEM in found(told(EXPIRED)).repairs[0].manual and "restart backend.service" in found(told(EXPIRED)).repairs[0].manual


def test_of_another_page_of_a_route_that_fails_us_it_is_likely() -> None:
    assert found(told(STRANGER, path="/login")).confidence == "likely"


@pytest.mark.parametrize("scene", [
    healthy_scene(), healthy_scene().logs(STRANGER, None, SHAKING, count=5), told(STRANGER, scheme="http"),
    told("SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number)"),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_without_the_log() -> None:
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.nginx["errors"] = Unknown("denied")
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)
