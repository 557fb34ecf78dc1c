"""This machine as a node: commands it has, those it has not, and the target around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.errors import NeedsPerson
from fixer.hosts.open_target import open_target
from fixer.model.target import TargetRef

LOCAL_LOCAL = TargetRef("local", "")


def test_the_local_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = open_target(LOCAL_LOCAL)
    assert [(a.name, a.kind) for a in target.askers()] == [("local", "machine")]
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path))
    writer, folder = target.journal_location()
    assert (writer.name, folder) == ("local", f"{tmp_path}/targets/local")
    assert target.writer("local").run(["echo", "x"]).stdout == b"x\n"
    assert target.writer("local").files.state(str(tmp_path)).kind == "other"
    with pytest.raises(NeedsPerson):
        target.writer("elsewhere")
    target.close()
