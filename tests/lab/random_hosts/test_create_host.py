"""Tests of lab/random_hosts/create_host.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.random_hosts import create_host, running_project
from lab.random_hosts.host_container import owner_of
from lab.random_hosts.host_images import app_image_of
from lab.random_hosts.running_project import RunningProject
from tests.lab.random_hosts.builders import host_of_kind


@pytest.mark.parametrize(("kind", "way"), [("machine", "machine"), ("project", "project"), ("all-in-one", "project")])
def test_each_kind_is_made_in_its_own_way(monkeypatch: pytest.MonkeyPatch, kind: str, way: str) -> None:
    for one in ("machine", "project"):
        @contextmanager
        def made(*_: object, name: str = one, **__: object) -> Iterator[str]:
            yield name

        monkeypatch.setattr(create_host, f"running_{one}", made)
    with create_host.running_host(host_of_kind(kind), "image") as host:
        assert host == way


def test_what_a_group_may_read_the_account_of_the_container_may_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    """The files belong to whoever runs the lab: the container's account is a stranger to them."""
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    monkeypatch.setattr(RunningProject, "shell", lambda self, script, check=True: None)
    removed: list[str] = []
    monkeypatch.setattr(running_project, "remove_containers", lambda filters: removed.append(filters["label"]))
    monkeypatch.setattr(running_project, "remove_networks", lambda filters: removed.append(filters["label"]))
    spec = next(one for one in (host_of_kind("project", first=first) for first in range(1, 400, 7))
                if one.choices["settings"] == "json-file")
    with create_host.running_project(spec, "image") as host:
        settings = Path(host.spec.values["settings_file"])
        assert settings.stat().st_mode & 0o777 == 0o644
        assert host.folder.parent == tmp_path / "projects"
        assert host.spec.values["owner_label"] == f"badgateway.random={owner_of(host.folder.name)}"
        assert (host.folder / ".env").read_text().startswith(f"WEB_IMAGE=image\nAPP_IMAGE={app_image_of(spec)}\n")
    assert not host.folder.exists()
    name = f"com.docker.compose.project={host.folder.name}"
    assert removed == [f"badgateway.random={owner_of(host.folder.name)}", name, name]
