"""A round that does not help ends no run: it is set aside with what depends on it, and the other faults are repaired."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixer.app.abandoned_repairs import abandon_repair
from fixer.model.diagnosis import Finding, Repair
from fixer.verify import Observation
from tests.app.abandoned_repairs_builders import Run, ended, sites


def test_a_round_that_is_not_better_is_set_aside_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run({})
    end, _ = ended(run, tmp_path, monkeypatch, better=False)
    assert run.up == ["b.service", "c.service"] and end.exit_code == 4
    assert any("not better" in note for note in end.notes) and any("rolled back" in note for note in end.notes)


AGAIN = Repair("start-service", "safe", "start a.service", ())


def found(look: Observation, name: str) -> Finding:
    return next(f for f in look.diagnosis.findings if f.service == name)


def test_what_requires_it_goes_with_it() -> None:
    look = sites(requires="a.service")
    given_up = abandon_repair(look, found(look, "a.service"), "start a.service", "it ended")
    assert "depend" in given_up.withheld_reason(look, found(look, "b.service"), AGAIN)
    assert not given_up.withheld_reason(look, found(look, "c.service"), AGAIN)
    assert "tried in this run" in given_up.withheld_reason(look, found(look, "a.service"), AGAIN)


def test_only_what_was_tried_is_said_to_have_been() -> None:
    look = sites()
    mine = replace(found(look, "a.service"), repairs=(replace(AGAIN, id="remove-rule", summary="delete the rule"), AGAIN))
    given_up = abandon_repair(look, mine, "delete the rule", "no page answers better")
    first, second = (given_up.withheld_reason(look, mine, repair) for repair in mine.repairs)
    assert first == "it was tried in this run and abandoned: no page answers better"
    assert second == "another repair of the same finding was tried in this run and abandoned: no page answers better"


def test_what_it_explained_and_what_shares_its_page_goes_with_it() -> None:
    look = sites()
    mine, other = found(look, "a.service"), found(look, "b.service")
    explained = replace(other, role="consequence", routes=mine.routes)
    seen = Observation(look.snapshot, replace(look.diagnosis, findings=(mine, explained)))
    given_up = abandon_repair(seen, mine, "start a.service", "it ended")
    assert given_up.withheld_reason(look, other, AGAIN)                                           # a root now, and it was no root then
    nameless = abandon_repair(look, replace(mine, service=None), "edit", "it did not help")
    assert nameless.withheld_reason(look, found(look, "a.service"), AGAIN) and not nameless.withheld_reason(look, other, AGAIN)
    everywhere = abandon_repair(look, replace(mine, service=None, routes=()), "free the disk", "it did not help")
    assert everywhere.withheld_reason(look, other, AGAIN) and not everywhere.withheld_reason(look, replace(other, node="elsewhere"), AGAIN)
