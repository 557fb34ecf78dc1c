"""Tests of lab/verbs/reset.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.http_get import get_status
from lab.stack import lab_records
from lab.stack.docker_engine import inspect
from lab.verbs.down import lab_down
from lab.verbs.reset import reset
from lab.verbs.up import lab_up


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    yield
    for kept in list(lab_records.all_records()):
        lab_down(kept.id)


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(300)
def test_a_lab_is_broken_again_as_it_was() -> None:
    """The same id, draw and fault, in new containers; what was done to the old ones is gone."""
    said: list[str] = []
    first = lab_up("wrong-port/container-wrong-port", "containers", 3, said.append).lab
    assert said[-3:-2] == ["✔ images ready"]
    before, container = dict(first.params), str(inspect(first.container("backend"))["Id"])
    first.record.hints_given = 2
    lab_records.save_record(first.record)
    (first.folder / "note.txt").write_text("mine\n")
    again = reset(first, said.append)
    assert (again.lab.id, dict(again.lab.params)) == (first.id, before)
    assert str(inspect(again.lab.container("backend"))["Id"]) != container
    assert not (again.lab.folder / "note.txt").exists()
    kept = lab_records.load_record(first.id)
    assert kept is not None and (kept.hints_given, kept.ready, kept.asked) == (0, True, "wrong-port/container-wrong-port")
    assert get_status(again.lab.url, "/login") == 502 and again.seen.count([502]) > 0
