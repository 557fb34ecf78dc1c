"""tls-sni-missing: the same handshake is refused without a name and answered with one, and nginx sends none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import BackendTls, Span, UpstreamServer
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

CAUSE = "tls-sni-missing"
SHAKING = "SSL handshaking to upstream"
ALERT = "SSL_do_handshake() failed (SSL: error:0A000458:SSL routines::tlsv1 unrecognized name:SSL alert number 112)"
MUTE = "SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::ssl/tls alert handshake failure:SSL alert number 40)"
CLOSED = "peer closed connection in SSL handshake"
REFUSED = probe(error="tls", phase="tls", body="[SSL: TLSV1_UNRECOGNIZED_NAME]")
NAME = "shop.internal"
SILENT = BackendTls()
SHOWN = ((NAME, GOOD), ("", REFUSED))


def scene(message: str = ALERT, names: Any = SHOWN, host: str = "127.0.0.1", *, path: str = "/", upstream: str = "",
          tls: BackendTls = SILENT, **route: Any) -> Scene:
    made = Scene().with_service(service(), listener(8000, 200)).answers(BAD_GATEWAY)
    page = made.files[0]
    data = page.data.replace(b"http://127.0.0.1:8000", b"https://" + host.encode() + b":8000")
    made.files = [replace(page, data=data)]
    at = data.index(b"proxy_pass")
    source = Span(SITE, 3, at, 0)
    made.route[0] = {"scheme": "https", "source": source, "tls": tls, "upstream": upstream,
                     "servers": (UpstreamServer(f"{host}:8000", host, 8000, None, source),),
                     "pass_text": f"https://{upstream or host}:8000", **route}
    first = names[0][1] if names else REFUSED
    return made.endpoint(http=Known(first), tls_names=names).logs(message, None, SHAKING, path=path)


def found(made: Scene) -> Finding:
    return finding_of(diagnose(made.snapshot()), CAUSE)


def written(first: Finding) -> str:
    write, check, reload = first.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert first.repairs[0].risk == "safe"
    return (write.after or b"").decode()


@pytest.mark.parametrize("message", [ALERT, MUTE, CLOSED])
def test_hit_it_is_refused_without_a_name_and_answered_with_one(message: str) -> None:
    diagnosis = diagnose(scene(message).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence, first.service) == (CAUSE, "certain", "backend.service")
    assert "proxy_ssl_server_name on;" in written(first) and f"proxy_ssl_name {NAME};" in written(first)
    assert {e.text for e in first.evidence if e.source == "probe"} >= {
        f"with the name {NAME}: answers 200", "with no name: no answer ([SSL: TLSV1_UNRECOGNIZED_NAME])"}


def test_a_pass_that_names_the_host_needs_no_further_name() -> None:
    text = written(found(scene(host=NAME)))
    assert "proxy_ssl_server_name on;" in text and "proxy_ssl_name" not in text


@pytest.mark.parametrize("tls", [BackendTls(sends_name=True), BackendTls(name=NAME)])
def test_an_address_or_a_name_that_is_not_sent_is_none(tls: BackendTls) -> None:
    text = written(found(scene(tls=tls)))
    assert "proxy_ssl_server_name on;" in text and ("proxy_ssl_name" in text) is not bool(tls.name)


def test_the_name_of_an_upstream_block_is_none() -> None:
    first = found(scene(upstream="shop_app", tls=BackendTls(sends_name=True)))
    assert "the name of its upstream block (shop_app)" in first.summary and f"proxy_ssl_name {NAME};" in written(first)


def test_where_no_name_is_answered_a_person_gives_it() -> None:
    made = scene(names=(("", REFUSED),))
    (repair,) = found(made).repairs
    assert [need.key for need in repair.needs] == ["tls_name"] and not repair.steps
    (repair,) = finding_of(diagnose(made.snapshot(), {"tls_name": NAME}), CAUSE).repairs
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and f"proxy_ssl_name {NAME};".encode() in (write.after or b"")


def test_without_the_answers_of_both_kinds_it_is_likely() -> None:
    assert found(scene(path="/login")).confidence == "likely"


def test_locations_of_one_file_are_one_edit() -> None:
    made = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200))
    data = made.files[0].data
    starts = [data.index(b"proxy_pass"), data.rindex(b"proxy_pass")]
    for index, at in enumerate(starts):
        made.answers(BAD_GATEWAY, route=index).logs(ALERT, None, SHAKING, path=("/", "/1")[index])
        made.endpoint(index, http=Known(GOOD), tls_names=SHOWN)
        made.route[index] = {"scheme": "https", "source": Span(SITE, 3 + index, at, 0)}
    first = found(made)
    assert roots(diagnose(made.snapshot())) == [CAUSE] and first.routes == ("r1", "r2")
    assert written(first).count("proxy_ssl_server_name on;") == 2


@pytest.mark.parametrize("made", [
    scene().answers(GOOD), scene(scheme="http"), scene(MUTE, (("", GOOD),)),
    scene(MUTE, ((NAME, GOOD),)),                                       # nobody tried it without one
    scene(names=((NAME, REFUSED), ("", GOOD))),                         # it needs none
    scene(MUTE, ((NAME, REFUSED), ("", REFUSED))),                      # no name changes it
    scene(tls=BackendTls(sends_name=True, name=NAME)), scene(host=NAME, tls=BackendTls(sends_name=True)),
    scene(tls=BackendTls(sends_name=True, name="$host")),               # nginx alone knows what that is
    scene(upstream="shop.example.net", tls=BackendTls(sends_name=True)),
    scene("SSL_do_handshake() failed (SSL: error:0A00042E::tlsv1 alert protocol version:SSL alert number 70)"),
])
def test_miss(made: Scene) -> None:
    assert isinstance(verdict_of(diagnose(made.snapshot()), CAUSE), RuledOut)


def test_unknown_without_the_log() -> None:
    made = scene()
    made.nginx["errors"] = Unknown("denied")
    diagnosis: Diagnosis = diagnose(made.snapshot())
    assert isinstance(verdict_of(diagnosis, CAUSE), Undetermined)
