"""One history and one lock for the same containers, however they are called: by project, name or id."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.apply.target_lock import hold_lock
from fixer.errors import Locked
from fixer.hosts.compose import ComposeTarget
from fixer.hosts.docker import DockerTarget
from fixer.hosts.open_target import parse_target


def item(project: str) -> dict[str, object]:
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": "web"} if project else {}
    return {"Name": "/shop-web-1", "Id": "0123456789ab", "Config": {"Labels": labels, "Cmd": ["nginx"]}, "State": {}, "Path": "nginx"}


@pytest.mark.parametrize(("project", "place"), [("shop", "compose-shop"), ("", "docker-shop-web-1")])
def test_every_spelling_has_the_same_place(project: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path))
    for word in ("docker://shop-web-1", "docker://0123456789ab"):
        assert DockerTarget(parse_target(word), item(project)).journal_location()[1].endswith(f"/targets/{place}")


def test_two_spellings_do_not_work_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path))
    one, other = DockerTarget(parse_target("docker://shop-web-1"), item("shop")), ComposeTarget(parse_target("compose://shop"), [item("shop")])
    writer, folder = one.journal_location()
    with hold_lock(writer.files, folder, "a repair"), pytest.raises(Locked, match="a repair is running"):
        beside, there = other.journal_location()
        with hold_lock(beside.files, there, "an undo"):
            pass
