"""What the oracle is asked after a restart: a crowd that the restart let down is asked again, a fault stays a fault."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lab.verbs import check


def asked(monkeypatch: pytest.MonkeyPatch, *answers: bool, load: bool = True) -> tuple[bool, int]:
    """Whether it is found well when the oracle answers so, one after the other and the last for ever; and how often it
    was asked."""
    said, now = list(answers), [0.0]

    def checked(lab: Any) -> Any:
        now[0] += 5.0
        count.append(1)
        return SimpleNamespace(is_well=said.pop(0) if len(said) > 1 else said[0])

    count: list[int] = []
    monkeypatch.setattr(check, "ask_oracle", checked)
    monkeypatch.setattr(check, "load_of", lambda lab: object() if load else None)
    monkeypatch.setattr(check, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: None))
    return check.check_restarted(SimpleNamespace()).is_well, len(count)      # type: ignore[arg-type]


def test_a_crowd_is_given_time_to_spread_and_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, True) == (True, 1)
    assert asked(monkeypatch, False, False, True, True) == (True, 4)
    assert asked(monkeypatch, False, True, False) == (False, 3)       # one good moment proves nothing
    well, count = asked(monkeypatch, False)
    assert not well and count > 5


def test_without_a_crowd_the_first_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, False, True, load=False) == (False, 1)
