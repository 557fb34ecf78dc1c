"""A route whose address is a `stream` server of the same nginx: the fault is behind that, and nginx no stranger."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.nginx_config import Listen, Span
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    Scene,
    finding_of,
    listener,
    probe,
    roots,
    service,
    stopped_service,
)


def handed(scene: Scene, *, plain: bool = True) -> Scene:
    """Route 0 leads to nginx's own port 7300, and route 1 is what hands it on."""
    front = service("nginx.service", 7300, 100, is_app_server=False, runtime="", bindings=Known(()))
    scene.services.append(front)
    scene.listeners.append(listener(7300, 100))
    scene.endpoint(configured_service=None, listening_service=front.id, http=Known(probe(error="reset"))).answers(BAD_GATEWAY)
    if plain:
        scene.route[1] = {"location": "stream", "path": None, "internal": True, "reached_from": ("r1",)}
    return scene


def test_the_port_behind_it_is_wrong() -> None:
    made = Scene("127.0.0.1:7300", "127.0.0.1:7311").with_service(service(port=7301), listener(7301, 200))
    found = finding_of(diagnose(handed(made.refused(1)).snapshot()), "wrong-port")
    assert found.variant == "wrong-port" and "127.0.0.1:7311" in found.summary and found.routes[0] == "r1"


def test_who_should_be_behind_it_is_down() -> None:
    made = Scene("127.0.0.1:7300", "127.0.0.1:7301").with_service(stopped_service(port=7301))
    assert finding_of(diagnose(handed(made.refused(1)).snapshot()), "backend-down").routes[0] == "r1"


def test_an_nginx_that_hands_on_in_its_own_way_is_no_stranger_there() -> None:
    made = Scene("127.0.0.1:7300").with_service(service(port=7301), listener(7301, 200))
    assert "wrong-port" not in roots(diagnose(handed(made, plain=False).snapshot()))


@pytest.mark.parametrize(("listens", "written"), [
    (("127.0.0.1", 7300), "127.0.0.1:7300"), (("0.0.0.0", 7300), "localhost:7300"),
])
def test_while_nginx_is_down_nobody_is_missed_where_it_listens_itself(listens: tuple[str, int], written: str) -> None:
    """One server of it hands on to another: the port is empty as long as nginx does not run."""
    made = Scene(written, "127.0.0.1:7301").with_service(service(port=7301), listener(7301, 200)).refused(configured_service=None)
    own = Listen(*listens, False, False, False, Span("/etc/nginx/sites-enabled/shop", 9, 0, 0))
    made.route[1] = {"listens": (own,)}
    made.nginx.update(master_pid=None, worker_pids=())
    assert roots(diagnose(made.snapshot())) == ["nginx-down"]


@pytest.mark.parametrize("told", [False, True])
def test_a_stream_that_visitors_come_in_by_and_that_leads_nowhere_is_no_health(told: bool) -> None:
    """The pages behind it are well, and nobody gets there. What belongs there is known only where something is told."""
    made = Scene("127.0.0.1:7301", "127.0.0.1:7311").with_service(service(port=7301), listener(7301, 200))
    if told:
        made.with_service(stopped_service("gate.service", 7311))
    made.route[1] = {"location": "stream", "path": None, "internal": True}
    made.refused(1)
    made.probes[1] = Known(())
    diagnosis = diagnose(made.snapshot())
    assert diagnosis.verdict == "degraded" and roots(diagnosis) == (["backend-down"] if told else [])
    assert told or "no cause proven for stream on 0.0.0.0:80, which hands connections on to where nothing" in diagnosis.notes[0]
    made.nginx.update(master_pid=None, worker_pids=())
    assert roots(diagnose(made.snapshot()))[:1] == ["nginx-down"]
