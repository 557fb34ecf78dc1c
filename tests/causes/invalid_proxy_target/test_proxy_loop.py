"""A pass that leads back to the nginx that it stands in."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Known
from fixer.model.nginx_config import Listen, ServerBlock, Span
from tests.causes.invalid_proxy_target.invalid_target_builders import CAUSE, CONNECT, diagnosed, found, written
from tests.causes.snapshot_builders import (
    GOOD,
    NGINX_PID,
    SITE,
    Scene,
    at_level,
    finding_of,
    listener,
    probe,
    roots,
    service,
    verdict_of,
)

FULL = "768 worker_connections are not enough"
LOOP = probe(502, body="<center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center>")


def looping(*, lines: int = 3, servers: int = 1, spare: bool = True) -> Scene:
    """nginx asks its own port 80, and the application listens on 8000."""
    scene = Scene("127.0.0.1:80").answers(LOOP)
    if spare:
        scene.with_service(service(), listener(8000, 200))
    web = service("nginx.service", 80, NGINX_PID, is_app_server=False, runtime="", gateway="nginx")
    scene.nginx["service"] = web
    scene.endpoint(http=Known(LOOP), tcp=Known(probe()), configured_service=None, listening_service=None)
    span = Span(SITE, 1, 0, 6)
    block = ServerBlock((Listen("0.0.0.0", 80, False, False, False, span),), ("_",), span, None)
    config = scene.snapshot().nginxes[0].config
    assert isinstance(config, Known)
    scene.nginx["config"] = Known(replace(config.value, servers=(block,) * servers))
    if lines:
        scene.logs(FULL, None, CONNECT, count=lines)
        scene.events = [at_level(event, "alert") for event in scene.events]
    return scene


def test_hit_nginx_asks_itself() -> None:
    diagnosis = diagnosed(looping())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.repairs[0].id) == ("proxy-loop", "certain", "point-route-at-listener")
    assert "127.0.0.1:8000" in written(looping())
    assert finding_of(diagnosis, "worker-connections-exhausted").role == "consequence"


def test_hit_nginx_asks_itself_by_its_configuration_alone() -> None:
    assert found(looping(lines=0)).confidence == "likely"
    assert isinstance(verdict_of(diagnosed(looping(lines=0, servers=2)), CAUSE), RuledOut)    # another site may answer


def test_where_no_service_is_left_over_a_person_names_the_address() -> None:
    repair = found(looping(spare=False)).repairs[0]
    assert repair.risk == "manual" and f"{SITE}:3" in repair.manual


def test_miss_a_second_hop_that_answers() -> None:
    """A site may pass requests on to another one of the same nginx."""
    scene = looping().endpoint(http=Known(GOOD))
    assert isinstance(verdict_of(diagnosed(scene), CAUSE), RuledOut)


def _led(upstream: str = "http://127.0.0.1:80/", client: str = "127.0.0.1", pass_text: str = "http://$backend") -> Scene:
    """The page answers; nginx logs that a value of the variable led to an address."""
    scene = Scene("127.0.0.1:8000", "shop.internal:80").answers(GOOD).with_service(service(), listener(8000, 200))
    scene.listeners.append(listener(80, NGINX_PID, address="0.0.0.0"))
    scene.route[0] = {"pass_text": pass_text}
    scene.endpoint(1, addresses=Known(()), http=Known(GOOD), tcp=Known(probe()))
    scene.logs(FULL, None, CONNECT)
    scene.events = [replace(at_level(event, "alert"), upstream=upstream, client=client) for event in scene.events]
    return scene


def test_hit_a_value_of_a_variable_leads_back() -> None:
    diagnosis = diagnosed(_led())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("proxy-loop", "certain", "manual")
    assert "leads / to 127.0.0.1:80, where nginx listens itself" in first.summary
    assert found(_led(client="203.0.113.5")).confidence == "likely"


def test_miss_lines_about_another_address_or_a_pass_without_a_variable() -> None:
    for scene in (_led("http://127.0.0.1:8000/"), _led("http://192.0.2.9:80/"), _led(pass_text="http://127.0.0.1:8000"),
                  _led("http://unix:/run/a.sock:/")):
        assert roots(diagnosed(scene)) == ["worker-connections-exhausted"]
