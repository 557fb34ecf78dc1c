"""invalid-proxy-target: values that nginx cannot use when a request comes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from tests.causes.invalid_proxy_target.invalid_target_builders import (
    CAUSE,
    CONNECT,
    PAGE,
    URL,
    diagnosed,
    found,
    refusing,
    written,
)
from tests.causes.snapshot_builders import GOOD, NOW, SITE, causes_of, healthy_scene, probe, roots, verdict_of


def test_hit_a_value_without_a_scheme() -> None:
    scene = refusing(URL, "set $target 127.0.0.1:8000;", argument="$target")
    diagnosis = diagnosed(scene)
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.repairs[0].id) == ("proxy-pass-invalid-url", "certain", "complete-url")
    assert first.repairs[0].risk == "safe" and first.evidence[0].where == f"{SITE}:4"
    assert "set $target http://127.0.0.1:8000;" in written(scene)
    assert "set $target https://127.0.0.1:8000;" in written(scene, scheme="https")


def test_hit_a_socket_without_a_scheme() -> None:
    scene = refusing(URL, "set $target unix:/run/shop.sock;", argument="$target")
    assert found(scene).repairs[0].risk == "safe" and "set $target http://unix:/run/shop.sock;" in written(scene)


@pytest.mark.parametrize("before", [
    'set $target "";', "set $target 127.0.0.1:99999;", "set $target $http_x_where;", "set $target http://;",
    "set $target a; set $target b;",
])
def test_another_value_is_for_a_person(before: str) -> None:
    repair = found(refusing('invalid URL prefix in ""', before, argument="$target")).repairs[0]
    assert repair.risk == "manual" and f"{SITE}:4" in repair.manual and "nginx -t" in repair.manual


def test_hit_a_map_is_shown() -> None:
    scene = refusing(URL, "set $other x;", argument="$target")
    scene.files[0] = replace(scene.files[0], data=scene.files[0].data + b"map $host $target { default 127.0.0.1:8000; }\n")
    first = found(scene)
    assert first.repairs[0].risk == "manual" and "map $host $target" in first.evidence[0].text


def test_miss_visitors_whose_page_is_not_the_one_that_we_ask_for() -> None:
    """One such line is one visitor's, perhaps of a made-up request; three within a minute are a fault."""
    before, argument = "set $target 127.0.0.1:8000;", "$target"
    assert isinstance(verdict_of(diagnosed(refusing(URL, before, argument=argument, page=GOOD)), CAUSE), RuledOut)
    assert found(refusing(URL, before, argument=argument, page=GOOD, count=3)).confidence == "likely"


@pytest.mark.parametrize(("message", "before", "named"), [
    ('thread pool "disk" not found', "aio threads=$pool;", "aio threads=$pool"),
    ("uwsgi request is too big: 70000", "uwsgi_param BIG $http_x_big;", "uwsgi_param BIG $http_x_big"),
    ("connection upgrade in subrequest", "auth_request /asked;", "auth_request /asked"),
    ('SSL_set_tlsext_host_name("a..b") failed', "proxy_ssl_name $name;", "proxy_ssl_name $name"),
])
def test_hit_a_request_that_cannot_be_made(message: str, before: str, named: str) -> None:
    first = found(refusing(message, before))
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("request-impossible", "certain", "manual")
    assert message[:60] in first.summary and f"`{named};` at {SITE}:4" in first.repairs[0].manual


def test_a_foreign_source_address_needs_a_right() -> None:
    first = found(refusing("setsockopt(IP_TRANSPARENT) failed (1: Operation not permitted)", "proxy_bind $remote_addr transparent;",
                           errno=1, phase=CONNECT))
    assert first.variant == "proxy-bind-unavailable" and "CAP_NET_RAW" in first.repairs[0].manual


def test_miss() -> None:
    diagnosis = diagnose(healthy_scene().snapshot())
    assert (diagnosis.verdict, causes_of(diagnosis)) == ("healthy", [])
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut)
    literal = refusing(URL)        # nginx -t refuses a literal one
    assert isinstance(verdict_of(diagnosed(literal), CAUSE), RuledOut)


def test_unknown_where_nginx_s_log_could_not_be_read() -> None:
    scene = refusing(URL, "set $target 127.0.0.1:8000;", argument="$target")
    scene.nginx["errors"] = Unknown("not root")
    scene.answers(probe(502, body=PAGE.body)).endpoint(http=Known(probe(error="refused")))
    verdict = verdict_of(diagnosed(scene), CAUSE)
    assert isinstance(verdict, Undetermined) and "not root" in verdict.missing[0]


def test_miss_a_log_of_before_the_reload() -> None:
    scene = refusing(URL, "set $target 127.0.0.1:8000;", argument="$target", page=GOOD, count=3)
    scene.nginx["loaded_at"] = Known(NOW - 1)
    assert isinstance(verdict_of(diagnosed(scene), CAUSE), RuledOut)
