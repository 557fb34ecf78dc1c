"""One line for each lab that is up."""

from __future__ import annotations

from typing import Any

import pytest

from lab.verbs.status import status_text

KNOWN = {"id": "lab-1", "containers": 3, "running": 2, "asked": "any",
         "scenario": "wrong-port/container-wrong-port", "stack": "containers", "seed": 7, "url": "http://127.0.0.1:8080"}


def test_nothing_is_up() -> None:
    assert status_text([]) == "no lab is up; `lab list` shows the scenarios"


@pytest.mark.parametrize(("answer", "said"), [(502, "answers 502"), (200, "answers 200"), (0, "refuses connections"), (-1, "does not answer in 3 s")])
def test_what_its_page_answers(answer: int, said: str) -> None:
    entries: list[dict[str, Any]] = [{**KNOWN, "answer": answer}]
    assert status_text(entries) == (
        f"lab-1  2 of 3 containers run  containers  http://127.0.0.1:8080/login {said}")


def test_what_is_wrong_is_said_only_if_it_is_asked_for() -> None:
    """Somebody may look over the shoulder, or at a shared screen."""
    entries: list[dict[str, Any]] = [{**KNOWN, "answer": 502}]
    assert "wrong-port" not in status_text(entries)
    assert "  wrong-port/container-wrong-port on containers, seed 7  " in status_text(entries, verbose=True)


def test_a_lab_without_a_record_is_named_too() -> None:
    shown = status_text([{**KNOWN, "answer": 200}, {"id": "lab-2", "containers": 1, "running": 0}])
    assert shown.splitlines()[1] == "lab-2  0 of 1 containers run"
