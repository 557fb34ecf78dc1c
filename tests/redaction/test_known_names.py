"""Tests of fixer/redaction/known_names.py."""

from __future__ import annotations

import json

from fixer.model.plan import ContainerAction, NetworkAction
from fixer.model.query import Answer, Command, ReadFile
from fixer.observe.build_snapshot import build_snapshot
from fixer.redaction.known_names import hosts_of_capture, words_of_capture, words_of_snapshot, words_of_steps
from fixer.redaction.masked_steps import describe_step
from tests.observe.capture_builders import capture, file, node

NAME = "t1d9b99a0desk"


def test_names_stand_in_queries_paths_and_what_docker_says() -> None:
    inspect = [{"Name": f"/{NAME}a-1", "Config": {"Labels": {"com.docker.compose.service": f"{NAME}b", "note": f"{NAME}z"}, "Env": [f"X={NAME}y"]}, "NetworkSettings": {"Networks": {f"{NAME}c": {"Aliases": [f"{NAME}d"]}}}}]
    seen = words_of_capture(capture(node({
        Command("docker-container", (f"{NAME}e",)): Answer("ok", json.dumps(inspect).encode()),
        ReadFile("/srv/compose.yaml"): Answer("ok", files=(file(f"/srv/{NAME}f/compose.yaml", f"services:\n  {NAME}g:\n    image: x\n    environment:\n      A: {NAME}x\n"),)),
        ReadFile("/etc/supervisor/conf.d/a.conf"): Answer("ok", files=(file("/etc/supervisor/conf.d/a.conf", f"[program:{NAME}h]\ncommand=x {NAME}w\n"),)),
    })))
    assert {word.removeprefix(NAME) for word in seen} >= {"a-1", "a", "b", "c", "d", "e", "f", "g", "h"}
    assert not {word.removeprefix(NAME) for word in seen} & {"z", "y", "x", "w"}


def test_hosts_are_the_names_under_which_containers_are_asked() -> None:
    inspect = [{"Name": "/p-store-1", "Mounts": [{"Name": "data"}], "HostConfig": {"NetworkMode": "p_front"},
                "Config": {"Labels": {"com.docker.compose.service": "store", "com.docker.compose.project": "p"}, "Env": ["DB=secret"], "Cmd": ["serve"]},
                "NetworkSettings": {"Networks": {"p_front": {"Aliases": ["stock"], "DNSNames": ["shelf"]}}}}]
    seen = hosts_of_capture(capture(node({Command("docker-project", ("p",)): Answer("ok", json.dumps(inspect).encode()),
                                          Command("docker-container", ("x",)): Answer("ok", b"none")})))
    assert seen == {"p-store-1", "store", "stock", "shelf"}


def test_names_of_a_snapshot_and_of_steps() -> None:
    snapshot = build_snapshot(capture(node(site="server { listen 80; location / { proxy_pass http://127.0.0.1:1; } }"), address=NAME))
    assert words_of_snapshot(snapshot) == {NAME}
    steps = (ContainerAction("0" * 64, f"{NAME}-api-1", "start", "exited"), NetworkAction("0" * 64, "api", f"{NAME}_front", "connect"))
    assert words_of_steps(steps) == {NAME, f"{NAME}-api-1", f"{NAME}_front"}
    assert [describe_step(step) for step in steps] == [f"start container {NAME}-api-1", f"connect container api to network {NAME}_front"]
