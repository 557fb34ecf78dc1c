"""Tests of fixer/apply/journal_folder.py."""

from __future__ import annotations

from pathlib import Path

from fixer.apply.journal_folder import create_run, is_run_id, last_work_time
from fixer.apply.repair_run import RepairRun, history, undo
from fixer.model.journal import Record
from tests.apply.folder_target import NEW, NOW, OLD, FolderTarget, make_plan, write_step
from tests.apply.repair_run_builders import open_run


def test_names_of_runs() -> None:
    assert is_run_id("20261124-151403-7f3a")
    assert not any(map(is_run_id, ("lost+found", "", "2026-1-1", "20261124-151403-7f3", "../../etc/x")))


def test_another_run_of_the_same_place_counts(tmp_path: Path) -> None:
    target = FolderTarget(tmp_path)
    writer, folder = target.journal_location()
    first = create_run(writer.files, folder, "20260101-000000-abcd", Record(0, 0.0, "begin"))
    first.append(Record(0, 0.0, "committed", 1))
    assert last_work_time(first) == first.records[-1].at
    second = create_run(writer.files, folder, "20260101-000001-abcd", Record(0, 0.0, "begin"))
    second.append(Record(0, 0.0, "committed", 1))
    first.note("undoing")
    assert last_work_time(first) == second.records[-1].at


def test_names_sort_even_when_the_clock_goes_back(site: Path, target: FolderTarget) -> None:
    for now, old, new in ((NOW, OLD, NEW), (NOW - 99, NEW, OLD), (NOW, OLD, NEW)):
        with RepairRun.open(target, cause="c", now=now) as run:
            run.round(make_plan(write_step(site / "shop", old, new)))
            run.commit()
    ids = [r.id for r in history(target)]
    assert ids == sorted(ids) and run.id == ids[-1] and len(set(ids)) == 3


def test_a_damaged_journal_is_said(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "a", None, b"x"), write_step(site / "shop", OLD, NEW)))
        run.commit()
    (journal,) = (tmp_path / "state").rglob("journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = b"\0" * len(lines[2][:-1]) + b"\n"
    lines[4] = lines[4].replace(b"WriteFile", b"WriteFyle")
    journal.write_bytes(b"".join(lines))
    result = undo(target, None)
    assert any("1 records cannot be read" in c for c in result.conflicts)
    assert any("not understood" in c for c in result.conflicts)
