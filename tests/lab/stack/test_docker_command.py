"""Two at once that take the same lab away."""

from __future__ import annotations

from typing import Any

import pytest

from lab.errors import LabError
from lab.stack import docker_command
from lab.stack.docker_command import FinishedCommand, remove_labelled


def engine_that_says(monkeypatch: pytest.MonkeyPatch, refusals: list[bytes]) -> list[str]:
    """An engine with one container, whose removal it refuses with those words first."""
    there, asked = ["abc"], []

    def docker(*words: str, **_: Any) -> FinishedCommand:
        asked.append(words[0])
        if refusals:
            return FinishedCommand(("docker", *words), 1, b"", refusals.pop(0))
        there.clear()
        return FinishedCommand(("docker", *words), 0, b"", b"")
    monkeypatch.setattr(docker_command, "docker", docker)
    monkeypatch.setattr(docker_command, "labelled_ids", lambda kind, lab_id: list(there) if kind == "container" else [])
    return asked


def test_what_another_is_removing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = engine_that_says(monkeypatch, [b"Error response from daemon: removal of container abc is already in progress"])
    remove_labelled("shop-1a2b")
    assert asked == ["rm", "rm"]


def test_another_refusal_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    engine_that_says(monkeypatch, [b"Error response from daemon: permission denied"])
    with pytest.raises(LabError, match="permission denied"):
        remove_labelled("shop-1a2b")
