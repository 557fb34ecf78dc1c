"""`fixer collect`: one new file for its owner alone, never over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.app.collect import collect
from fixer.app.request import DiagnoseRequest
from fixer.errors import UsageError
from fixer.render.outcome_text import collected_text

MACHINE = f"bundle:{Path(__file__).parent.parent / 'observe/data/machine.tgz'}"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))


def test_the_file_is_new_private_and_tells_what_it_holds(tmp_path: Path) -> None:
    output = tmp_path / "incident.tgz"
    report = collect(MACHINE, DiagnoseRequest(), str(output))
    said = collected_text(report)
    assert output.stat().st_mode & 0o777 == 0o600 and output.read_bytes()[:2] == b"\x1f\x8b"
    lines = said.splitlines()
    assert lines[0] == f"{output}: {output.stat().st_size // 1024 + 1} KiB, secrets redacted"
    assert lines[-1] == f"Read it: fixer diagnose bundle:{output}" and " answers, " in lines[1]
    assert (report.target, report.file, report.size) == (MACHINE, str(output), output.stat().st_size)


def test_a_bundle_of_a_bundle_holds_the_same_answers(tmp_path: Path) -> None:
    first, second = tmp_path / "a.tgz", tmp_path / "b.tgz"
    nodes = collect(MACHINE, DiagnoseRequest(), str(first)).nodes
    assert nodes and collect(f"bundle:{first}", DiagnoseRequest(), str(second)).nodes == nodes


@pytest.mark.parametrize("kind", ["file", "link to nothing", "folder"])
def test_nothing_is_written_over(kind: str, tmp_path: Path) -> None:
    output = tmp_path / "incident.tgz"
    if kind == "file":
        output.write_text("kept")
    elif kind == "folder":
        output.mkdir()
    else:
        output.symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match="exists already"):
        collect(MACHINE, DiagnoseRequest(), str(output))
    assert not (tmp_path / "gone").exists() and (kind != "file" or output.read_text() == "kept")


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the folder of .* does not exist"):
        collect(MACHINE, DiagnoseRequest(), str(tmp_path / "new" / "incident.tgz"))
    assert not (tmp_path / "new").exists()
