"""The state folder and the small files that bind a repair: nobody else's word counts, and no strange file holds fixer up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer.app import ignore_list, policy_files
from fixer.errors import CannotObserve, NeedsPerson
from fixer.hosts.machine import state_root
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.target import TargetRef

LOCAL = parse_target("local")


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_big(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def make_deep(path: Path) -> None:
    path.write_text("[" * 100_000)


STRANGE = [make_fifo, make_zero, make_big, make_deep, Path.mkdir]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "state"
    (found / "targets" / "local").mkdir(parents=True)
    for folder in (found, found / "targets", found / "targets" / "local"):
        folder.chmod(0o700)
    monkeypatch.setenv("BADGATEWAY_STATE", str(found))
    return found


@pytest.mark.parametrize("make", STRANGE)
def test_a_list_that_is_none_is_said_at_once(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "targets" / "local" / "accepted.json")
    began = time.monotonic()
    with pytest.raises(CannotObserve):
        ignore_list.load(LOCAL)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("make", STRANGE)
def test_a_policy_that_is_none_forbids_at_once(root: Path, make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_files, "POLICY", str(tmp_path / "policy.toml"))
    make(tmp_path / "policy.toml")
    began = time.monotonic()
    with pytest.raises(NeedsPerson):
        policy_files.read_policies(open_target(LOCAL))
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("place", ["", "targets"])
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_folder_that_others_may_write_holds_no_journal(root: Path, place: str, mode: int) -> None:
    """A journal names files and their contents: who writes one would have them written."""
    (root / place).chmod(mode)
    with pytest.raises(NeedsPerson, match=r"other users can change .*, and fixer executes the journals in it"):
        open_target(LOCAL).journal_location()
    (root / "targets" / "local" / "accepted.json").write_text('{"accepted": []}')
    with pytest.raises(CannotObserve):
        ignore_list.load(LOCAL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize("link", [False, True])
def test_nor_does_one_of_another_user(root: Path, link: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(root, 65534, 65534)
    if link:
        (tmp_path / "link").symlink_to(root)
        monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "link"))
    with pytest.raises(NeedsPerson):
        state_root.private_root()


def test_ours_does(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_root.private_root() == str(root)
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "not" / "there" / "yet"))
    assert state_root.private_root() == str(tmp_path / "not" / "there" / "yet")


LOCAL_LOCAL = TargetRef("local", "")


def test_state_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BADGATEWAY_STATE", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_root.state_root() == "/var/lib/badgateway"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/x/state")
    assert state_root.state_root() == "/x/state/badgateway"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert state_root.state_root() == "/home/me/.local/state/badgateway"


def test_another_user_is_told_of_what_root_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BADGATEWAY_STATE", raising=False)
    monkeypatch.setattr(state_root, "ROOT_STATE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert state_root.unseen_root_state() == str(tmp_path)
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "mine"))
    assert state_root.unseen_root_state() is None         # they chose the place themselves
    monkeypatch.delenv("BADGATEWAY_STATE")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_root.unseen_root_state() is None         # root sees them
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(state_root, "ROOT_STATE", str(tmp_path / "nothing"))
    assert state_root.unseen_root_state() is None


def test_folders_of_targets_are_apart() -> None:
    words = [TargetRef("docker", "a-b"), TargetRef("compose", "a-b"), TargetRef("ssh", "u@h:22"), TargetRef("ssh", "u_h_22"), LOCAL_LOCAL]
    folders = {state_root.target_folder("/s", ref) for ref in words}
    assert len(folders) == len(words)
    assert all(f.startswith("/s/targets/") and f.count("/") == 3 for f in folders)
