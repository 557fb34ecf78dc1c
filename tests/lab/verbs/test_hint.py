"""Tests of lab/verbs/hint.py."""

from __future__ import annotations

from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.verbs.hint import next_hint


def test_hints_come_one_at_a_time_and_the_last_stays(record: LabRecord) -> None:
    given = [next_hint(Lab(record)) for _ in range(4)]
    assert [hint.partition(":")[0] for hint in given] == ["hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 3 of 3"]
    assert "listens on 8001, nginx asks 8002" in given[2]
    assert [hint.endswith("That was the last hint. To see the repair: lab solve shop-3f2a") for hint in given] == [
        False, False, True, True]
