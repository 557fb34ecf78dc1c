"""Tests of lab/stack/compose_limits.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.stack.compose_limits import config_problem, creates


def _config(**service: Any) -> dict[str, Any]:
    return {"services": {"web": {"image": "x", **service}}, "networks": {"inside": {"driver_opts": {"a": "b"}}}}


def _bind(source: Path | str) -> dict[str, Any]:
    return _config(volumes=[{"type": "volume", "source": "data"}, {"type": "bind", "source": str(source), "target": "/x"}])


def test_what_is_in_the_folder_is_the_labs(tmp_path: Path) -> None:
    for config in (_config(), _bind(tmp_path / "web"), _bind(tmp_path), _bind("/sys/fs/cgroup"), _config(pid="service:web"), {}):
        assert config_problem(config, tmp_path) == ""


@pytest.mark.parametrize(("config", "words"), [
    (_bind("/"), "services.web.volumes: / is not in the lab's folder"), (_bind("/etc/../etc"), "/etc/../etc"),
    (_config(privileged=True), "services.web.privileged"), (_config(devices=["/dev/sda"]), "devices"),
    (_config(pid="host"), "services.web.pid"), (_config(build={"context": "/"}), "build"),
    ({"volumes": {"all": {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}}}, "volumes.all"),
    ({"volumes": {"other": {"external": True}}}, "volumes.other"), ({"secrets": {"s": {"file": "/etc/shadow"}}}, "secrets.s"),
])
def test_what_reaches_beyond_it(config: dict[str, Any], words: str, tmp_path: Path) -> None:
    assert words in config_problem(config, tmp_path)


def test_a_link_counts_as_what_docker_mounts(tmp_path: Path) -> None:
    lab, host = tmp_path / "lab", tmp_path / "host"
    lab.mkdir()
    host.mkdir()
    (lab / "web").symlink_to(host)
    assert "web is not in the lab's folder" in config_problem(_bind(lab / "web"), lab)


def test_only_what_creates_containers_is_checked() -> None:
    assert creates(("--profile", "nightly", "up", "-d")) and creates(("start",))
    assert not creates(("down", "-t", "5")) and not creates(("ps",))
