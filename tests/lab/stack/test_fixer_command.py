"""fixer as a command: its words, what it said, and a command that is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fixer.hosts.machine.state_root import state_root, target_folder
from fixer.model.host import TargetRef
from lab.stack.fixer_command import Fixer, journal_folders, pyz_path

ECHO = "import json, os, sys; print(json.dumps({'words': sys.argv[1:], 'kept': os.environ.get('KEPT')})); sys.exit(4)"


def test_the_target_stands_behind_the_command() -> None:
    assert Fixer(("sudo", "fixer"), "local", {}).argv("repair", "--yes") == ("sudo", "fixer", "repair", "local", "--yes")


def test_what_it_said_and_how_it_ended_is_kept() -> None:
    told = Fixer((sys.executable, "-c", ECHO), "docker://a", {"KEPT": "x"}).ask("diagnose", "--json")
    assert (told.code, told.document) == (4, {"words": ["diagnose", "docker://a", "--json"], "kept": "x"})
    assert told.argv[-3:] == ("diagnose", "docker://a", "--json") and told.seconds > 0


def test_a_command_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.stack.fixer_command.COMMAND_TIMEOUT", 0.2)
    told = Fixer((sys.executable, "-c", "import time; time.sleep(60)"), "local", {}).ask("diagnose")
    assert (told.code, told.out, told.err) == (-1, "", "did not end within 0 s")


def test_another_build_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BADGATEWAY_PYZ", raising=False)
    assert pyz_path().name == "fixer.pyz" and pyz_path().parent.name == "dist"
    monkeypatch.setenv("BADGATEWAY_PYZ", "/srv/other.pyz")
    assert pyz_path() == Path("/srv/other.pyz")


@pytest.mark.parametrize("variable", ["BADGATEWAY_STATE", "XDG_STATE_HOME"])
def test_journals_of_a_lab_are_found_where_fixer_keeps_them(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """fixer's own folders: of the project, and of containers; another lab's stay."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.delenv("BADGATEWAY_STATE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    refs = [TargetRef("compose", "shop-3f2a"), TargetRef("docker", "shop-3f2a-host"), TargetRef("compose", "shop-3f2b"),
            TargetRef("local", "")]
    folders = [Path(target_folder(state_root(), ref)) for ref in refs]
    for folder in folders:
        folder.mkdir(parents=True)
    assert set(journal_folders("shop-3f2a")) == set(folders[:2])
    assert journal_folders("*") == ()
