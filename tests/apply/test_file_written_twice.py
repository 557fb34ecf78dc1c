"""A file that a run writes twice, in one round or in two: a way back that was cut off behind both goes on without a word
of somebody else, who never was there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from fixer.apply import rollback
from fixer.apply.journal_folder import Journal
from fixer.apply.repair_run import RepairRun, history, undo
from fixer.model.journal import Record
from fixer.model.plan import Step
from tests.apply.folder_target import NEW, NOW, OLD, FolderTarget, KilledError, make_plan, read_tree, write_step

LAST = NEW + b"# and more\n"


def rounds_for(site: Path, way: str) -> Sequence[Sequence[Step]]:
    """The steps of each round."""
    first, second = write_step(site / "shop", OLD, NEW), write_step(site / "shop", NEW, LAST)
    return [(first, second)] if way == "one round" else [(first,), (second,)]


@pytest.mark.parametrize("way", ["one round", "two rounds"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_undo_that_was_cut_off_goes_on(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, at: int) -> None:
    before, target = read_tree(site), FolderTarget(tmp_path / "state")
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 0.0)
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        for steps in rounds_for(site, way):
            run.round(make_plan(*steps))
            run.commit()
    assert (site / "shop").read_bytes() == LAST
    append, seen = Journal.append, list[str]()

    def cut_off(self: Journal, record: Record) -> Record:
        seen.append(record.phase)
        if sum(phase in ("restored", "undone") for phase in seen) == at:
            raise KilledError
        return append(self, record)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", cut_off)
        with pytest.raises(KilledError):
            undo(target, None)
    result = undo(target, None)
    assert result.conflicts == () and (at < 3 or "its undo was cut off when all of it was back" in result.notes[0])
    assert read_tree(site) == before and history(target)[0].state == "undone"


def test_what_somebody_put_back_while_a_later_round_was_open_is_theirs(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The round before it is kept: its own before is no state that the second goes back to."""
    target = FolderTarget(tmp_path / "state")
    first, second = rounds_for(site, "two rounds")
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        run.round(make_plan(*first))
        run.commit()
        run.round(make_plan(*second))
        (site / "shop").write_bytes(OLD)
        assert "changed by somebody else" in run.roll_back().conflicts[0]
    assert (site / "shop").read_bytes() == OLD
