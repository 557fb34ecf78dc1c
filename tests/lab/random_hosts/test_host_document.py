"""Tests of lab/random_hosts/host_document.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.random_hosts.host_document import read_host, write_host
from tests.lab.random_hosts.builders import drawn_hosts


def test_a_written_host_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    for host in drawn_hosts()[:100]:
        write_host(path, host)
        assert read_host(path) == replace(host, file=str(path))
    assert read_host(path).command == f"lab bench --random 1 --spec {path}"


def test_an_axis_that_came_later_has_its_plain_part(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    write_host(path, next(one for one in drawn_hosts() if one.choices["nginx"] == "packaged"))
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "choices": {k: v for k, v in document["choices"].items() if k != "nginx"}}))
    assert read_host(path).choices["nginx"] == "packaged"


@pytest.mark.parametrize(("change", "problem"), [
    ({"choices": {}}, "no host.json"), ({"seed": "x"}, "no host.json"), ({"faults": [{"name": "lost"}]}, "no fault is called"),
    ({"drawn": {}}, "no part gives a value"),
])
def test_another_document_is_refused(tmp_path: Path, change: dict[str, object], problem: str) -> None:
    path = tmp_path / "host.json"
    write_host(path, drawn_hosts()[0])
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UsageError, match=problem):
        read_host(path)


def test_parts_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    host = next(one for one in drawn_hosts() if one.choices["bind"] == "socket")
    write_host(path, host)
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "choices": {**document["choices"], "server": "script"}}))
    with pytest.raises(UsageError, match="do not go together"):
        read_host(path)


def test_no_file_and_no_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    for name, problem in (("x", "no host.json"), ("y", "No such file")):
        with pytest.raises(UsageError, match=problem):
            read_host(tmp_path / name)
