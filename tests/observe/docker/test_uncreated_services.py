"""Tests of fixer/observe/docker/uncreated_services.py."""

from __future__ import annotations

import pytest

from fixer.formats.docker_conventions import is_place
from tests.observe.docker.compose_service_builders import seen_of

BODY = "services:\n  api: {{image: x}}\n  web: {{image: y}}\n  jobs:\n    command: {command}\n    volumes: {volumes}\n"
GUNICORN = "gunicorn --bind unix:/run/shop/s.sock web:app"


@pytest.mark.parametrize(("command", "volumes", "sockets"), [
    (GUNICORN, "['./run:/run/shop']", ("/srv/shop/run/s.sock",)),
    (GUNICORN, "['/var/sockets:/run/shop:rw', './other:/data']", ("/var/sockets/s.sock",)),
    (GUNICORN, "['.:/run', './run:/run/shop']", ("/srv/shop/run/s.sock",)),                   # the mount that is nearest
    (GUNICORN, "[{type: bind, source: ./run, target: /run/shop}]", ("/srv/shop/run/s.sock",)),
    (GUNICORN, "['sockets:/run/shop']", ("/volumes/shop_sockets/_data/s.sock",)),
    (GUNICORN, "[{type: volume, source: sockets, target: /run/shop}]", ("/volumes/shop_sockets/_data/s.sock",)),
    (GUNICORN, "['./run:/run/other']", ()), (GUNICORN, "['/run/shop']", ()), (GUNICORN, "[]", ()), (GUNICORN, "no list", ()),
    ("gunicorn --bind 0.0.0.0:8000 web:app", "['./run:/run/shop']", ()), ("sleep 1", "['./run:/run/shop']", ()),
])
def test_the_sockets_of_a_service_that_was_never_created(command: str, volumes: str, sockets: tuple[str, ...]) -> None:
    text = BODY.format(command=command, volumes=volumes)
    seen = seen_of("", argv=["uvicorn", "a:b", "--port", "8000"], files={"/srv/shop/compose.yaml": text})
    assert seen.compose is not None
    (found,) = seen.compose.uncreated
    assert (found.service, found.sockets) == ("jobs", sockets)


def test_the_folders_that_it_mounts() -> None:
    text = BODY.format(command="sh /srv/start.sh", volumes="['./code:/srv:ro', 'sockets:/run/shop', '/data']")
    seen = seen_of("", argv=["uvicorn", "a:b", "--port", "8000"], files={"/srv/shop/compose.yaml": text})
    assert seen.compose is not None
    assert seen.compose.uncreated[0].folders == ("/srv/shop/code", "/volumes/shop_sockets/_data")


@pytest.mark.parametrize(("mode", "guest"), [("service:web", "web"), ("host", ""), ("container:x", "")])
def test_a_guest_of_another_services_network_and_its_ports(mode: str, guest: str) -> None:
    text = f"services:\n  api: {{image: x}}\n  web: {{image: y}}\n  jobs:\n    command: gunicorn -b 127.0.0.1:8005 web:app\n    network_mode: {mode}\n"
    seen = seen_of("", argv=["uvicorn", "a:b", "--port", "8000"], files={"/srv/shop/compose.yaml": text})
    assert seen.compose is not None
    (found,) = seen.compose.uncreated
    assert (found.guest_of, found.ports) == (guest, (8005,))


def test_of_a_named_volume_only_the_end_is_known() -> None:
    assert is_place("/volumes/shop_run/_data/s.sock", "/var/lib/docker/volumes/shop_run/_data/s.sock")
    assert not is_place("/srv/shop/run/s.sock", "/mnt/srv/shop/run/s.sock")
    assert not is_place("/volumes/shop_run/_data/s.sock", "/var/lib/docker/volumes/my_shop_run/_data/s.sock")
