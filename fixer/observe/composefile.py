"""What a compose file says of one service, with the bytes where it says it."""

from __future__ import annotations

from dataclasses import dataclass

from fixer.model.snapshot import Container, EnvSlot
from fixer.observe.told import Style
from fixer.observe.view import View
from fixer.observe.words import Env, Word


@dataclass(frozen=True, slots=True)
class ComposeService:
    """Command, variables and places for new ones of a service in its project's files."""

    command: tuple[Word, ...]
    env: Env
    style: Style
    slots: tuple[EnvSlot, ...]
    reads: tuple[str, ...]


def compose_service(container: Container, engine: View | None) -> ComposeService | None:
    """The service as its compose files describe it, None where there are none at hand."""
    del container, engine
    return None
