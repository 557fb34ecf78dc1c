"""Observing real containers that do not run, and a compose service whose printed hash is not its label's."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.hosts.open_target import open_target, parse_target
from fixer.model.facts import Known
from fixer.model.snapshot import Snapshot
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import collect
from fixer.observe.view.observe_options import ObserveOptions

pytestmark = pytest.mark.docker

COMPOSE = """services:
  front:
    image: debian:trixie-slim
    entrypoint: [sh, -c, "exit 3", nginx]
    volumes: ["./nginx:/etc/nginx:ro"]
    networks: [n]
  app:
    image: debian:trixie-slim
    command: sleep 1000
    stop_grace_period: 0s
    env_file: app.env
    networks: [n]
networks: {n: {}}
"""
CONF = "events {}\nhttp { server { listen 80; location / { proxy_pass http://app:8000; } } }\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("shop")
    name = f"observe{uuid.uuid4().hex[:8]}"
    (folder / "nginx").mkdir()
    (folder / "nginx/nginx.conf").write_text(CONF)
    (folder / "app.env").write_text("KEY=abc\n")
    (folder / "compose.yaml").write_text(COMPOSE)
    up = ["docker", "compose", "-p", name, "-f", str(folder / "compose.yaml")]
    subprocess.run([*up, "up", "-d"], check=True, capture_output=True)
    subprocess.run(["docker", "wait", f"{name}-front-1"], check=True, capture_output=True, timeout=60)
    yield name, folder
    subprocess.run([*up, "down", "-v", "-t", "0"], check=True, capture_output=True)


def look(name: str) -> Snapshot:
    target = open_target(parse_target(f"compose://{name}"))
    try:
        return build_snapshot(collect(target, ObserveOptions()))
    finally:
        target.close()


def test_a_container_that_stopped_is_read_by_its_files(project: tuple[str, Path]) -> None:
    seen = look(project[0])
    (nginx,) = seen.nginxes
    assert (nginx.node, nginx.master_pid) == ("front", None) and isinstance(nginx.config, Known)
    (endpoint,) = seen.endpoints
    assert (endpoint.written, endpoint.configured_service) == ("app:8000", "app/app")
    service = seen.service("front/front")
    assert service is not None and service.container is not None and service.container.exit_code == 3 and not service.running


def test_a_service_with_an_environment_file_is_still_what_was_deployed(project: tuple[str, Path]) -> None:
    compose = look(project[0]).compose
    assert compose is not None and dict(compose.hash_matches)["app"] is True
    file = project[1] / "compose.yaml"
    file.write_text(COMPOSE.replace("sleep 1000", "sleep 5"))
    changed = look(project[0]).compose
    file.write_text(COMPOSE)
    assert changed is not None and dict(changed.hash_matches)["app"] is False
