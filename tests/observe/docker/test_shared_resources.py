"""A container that lives in another one's network: an address that leads to the lender leads to it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, Command, FileAnswer, Query, ReadFile, ReadTree
from fixer.model.snapshot import Endpoint, Service
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.docker.shared_resources import container_sharing_network
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.node_view import containers_of, views_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.causes.snapshot_builders import container, container_service
from tests.observe.capture_builders import capture, node, process, sockets, stat
from tests.observe.docker.compose_service_builders import inspect

POD = replace(container("pod"), network_mode="p_default")
LENDER = replace(container_service("pod"), container=POD, runtime="", bindings=Unknown("its command is inside the image"))


def guest(name: str, port: int, *, runtime: str = "uvicorn", of: str = POD.id) -> Service:
    made = container_service(name, port, runtime=runtime)
    assert made.container is not None
    return replace(made, container=replace(made.container, network_mode=f"container:{of}", networks=()))


def test_the_one_application_in_its_network_is_meant() -> None:
    app = guest("app", 9000)
    assert container_sharing_network(POD, 8000, (LENDER, app)) is app.container
    assert container_sharing_network(POD, 8000, (LENDER, app, guest("tunnel", 1, runtime=""))) is app.container


def test_of_several_the_one_that_is_told_the_port() -> None:
    first, second = guest("first", 9000), guest("second", 8000)
    assert container_sharing_network(POD, 8000, (LENDER, first, second)) is second.container
    assert container_sharing_network(POD, 7000, (LENDER, first, second)) is None


@pytest.mark.parametrize("services", [
    (LENDER,), (LENDER, container_service("app", 9000)), (LENDER, guest("app", 9000, of="other")),
    (replace(LENDER, runtime="uvicorn", bindings=Known(())), guest("app", 9000)),
])
def test_the_lender_itself_or_nobody(services: tuple[Service, ...]) -> None:
    assert container_sharing_network(POD, 8000, services) is None


SITE = "server { listen 80; location / { proxy_pass http://api:8000; } }"


@pytest.mark.parametrize(("status", "there", "lacks"), [
    ("exited", FileAnswer("/srv/k", "absent", None), ("/srv/k",)), ("exited", FileAnswer("/srv/k", "denied", None), ()),
    ("exited", None, ()), ("running", FileAnswer("/srv/k", "absent", None), ()),
])
def test_what_a_container_mounts_and_lacks(status: str, there: FileAnswer | None, lacks: tuple[str, ...]) -> None:
    """It is known as gone only where somebody looked; of one that runs nobody asks."""
    item: dict[str, object] = {"Id": "a" * 64, "Name": "/a", "State": {"Status": status}, "Config": {}, "HostConfig": {
        "Mounts": [{"Type": "bind", "Source": "/srv/k", "Target": "/k"}]}}
    answers: dict[Query, Answer] = {Command("docker-project", ("shop",)): Answer("ok", json.dumps([item]).encode())}
    if there is not None:
        answers[ReadFile("/srv/k", 0)] = Answer("ok", files=(there,))
    (container,) = containers_of(views_of(capture(node(answers, name="engine", nginx=False))))
    assert container.missing_sources == lacks


def sharing(source: str = "/vol/s", told: str = "/run/app/a.sock", *, status: str = "running") -> Endpoint:
    """nginx asks for /sock/a.sock; another container is told to listen in a volume of its own."""
    web = inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2")
    api = inspect("api", ["gunicorn", "-b", f"unix:{told}", "a:b"], ip="10.9.0.3", status=status)
    web["Mounts"] = [{"Type": "volume", "Source": "/vol/s", "Destination": "/sock"}]
    api["Mounts"] = [{"Type": "volume", "Source": source, "Destination": "/run/app"}]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([web, api]).encode())}, name="engine", nginx=False)
    site = "server { listen 80; location / { proxy_pass http://unix:/sock/a.sock; } }"
    nodes = [node(site=site, name="web", kind="container"), engine]
    return build_snapshot(capture(*nodes, kind="compose", address="shop")).endpoints[0]


def test_a_socket_in_a_shared_volume_belongs_to_who_is_told_to_make_it() -> None:
    for status in ("running", "exited"):
        found = sharing(status=status)
        assert (found.configured_service, found.node) == ("api/api", "api")
    assert sharing("/vol/other").configured_service is None and sharing(told="/run/app/b.sock").configured_service is None
    assert sharing(told="/tmp/a.sock").configured_service is None


LISTENS = "00: 00000002 00000000 00010000 0001 01 31 /run/app/a.sock\n"
WAITS = "00: 00000003 00000000 00000000 0001 02     0 /run/app/a.sock\n"
TAKEN = "00: 00000003 00000000 00000000 0001 03 {} /run/app/a.sock\n"


def queued(asking: str, *, host: bool = False) -> tuple[int, int] | None:
    """How many wait at, and are connected to, the socket of a container that nginx has in a volume, or the host in a
    folder: `asking` are the rows of nginx's own table."""
    api = inspect("api", ["gunicorn", "-b", "unix:/run/app/a.sock", "a:b"], ip="10.9.0.3")
    web = inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2")
    api["Mounts"] = [{"Type": "volume", "Source": "/vol/s", "Destination": "/run/app"}]
    web["Mounts"] = [{"Type": "volume", "Source": "/vol/s", "Destination": "/sock"}]
    theirs = node(listening=sockets([], {31: [9]}, unix=LISTENS + WAITS), running=[process(9, ["gunicorn"])], kind="container",
                  name="shop-api-1" if host else "api", nginx=False)
    site = f"server {{ listen 80; location / {{ proxy_pass http://unix:/{'vol/s' if host else 'sock'}/a.sock; }} }}"
    mine = node(listening=sockets([], {}, unix=asking), site=site, name="local" if host else "web",
                kind="machine" if host else "container")
    asked = Command("docker-published", ("/vol/s/a.sock",)) if host else Command("docker-project", ("shop",))
    engine = node({asked: Answer("ok", json.dumps([api] if host else [web, api]).encode())}, name="engine", nginx=False)
    held = build_snapshot(capture(mine, theirs, engine, kind="local" if host else "compose", address="shop")).endpoints[0].listener
    return (held.value.queued, held.value.established) if isinstance(held, Known) and held.value is not None else None


@pytest.mark.parametrize("host", [False, True])
def test_who_waits_at_a_shared_socket_shows_where_they_ask(host: bool) -> None:
    assert queued("", host=host) == (1, 1)
    assert queued(WAITS * 4 + TAKEN.format(50) + TAKEN.format(51), host=host) == (5, 7)


def test_of_two_that_listen_under_one_name_nobody_can_tell_whose_the_queue_is() -> None:
    assert queued(LISTENS + WAITS * 4) == (1, 1)


def test_links_that_lead_nowhere_in_a_container_are_looked_at_where_they_are_mounted_from() -> None:
    """What they are, and never what they lead to there: a container may have made them."""
    web = inspect("web", ["nginx"], ip="10.9.0.2")
    web["Mounts"] = [{"Type": "bind", "Source": "/srv/shop/sites", "Destination": "/etc/nginx/sites"},
                     {"Type": "bind", "Source": "/srv/shop/one", "Destination": "/etc/nginx/one"}]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([web]).encode())}, name="engine", nginx=False)
    loose = [FileAnswer(path, "absent", stat("link", link="/nowhere"))
             for path in ("/etc/nginx/sites/old", "/etc/nginx/one", "/etc/nginx/modules/x")]
    own = node(site=SITE, name="web", kind="container")
    tree = own.answers[ReadTree("/etc/nginx")]
    own = replace(own, answers={**own.answers, ReadTree("/etc/nginx"): replace(tree, files=(*tree.files, *loose))})
    asked = follow_up_queries(capture(own, engine, kind="compose", address="shop"), ObserveOptions())["engine"]
    glances = [q for q in asked if isinstance(q, ReadFile) and q.limit == 0]
    assert glances == [ReadFile("/srv/shop/sites/old", 0), ReadFile("/srv/shop/sites", 0)]
    assert not any(isinstance(q, ReadFile) and q.limit and q.path.startswith("/srv/shop/sites/old") for q in asked)
