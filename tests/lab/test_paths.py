"""Tests of lab/paths.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.paths import state_root
from tests.lab.cli_builders import lab


def test_labs_of_tests_are_apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert state_root().is_relative_to(tmp_path_factory.getbasetemp())


def test_a_report_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words in (("matrix", "--only", "wrong-port/wrong-port", "--junit"), ("bench", "--solver", "nothing", "--only", "wrong-port/wrong-port", "--markdown"),
                  ("bench", "--random", "1", "--solver", "nothing", "--json")):
        for path, said in ((tmp_path / "file" / "x", f"cannot be written: {tmp_path}/file: File exists"), (tmp_path, "is a folder")):
            ended = lab(*words, str(path), DOCKER_HOST=f"unix://{tmp_path}/none.sock", BADGATEWAY_LAB_STATE=str(tmp_path / "state"))
            assert (ended.returncode, ended.stderr.splitlines()[0]) == (2, f"lab: {path} {said}"), ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
