"""The person at the other side, as the use-cases see one: told, asked, or not there."""

from __future__ import annotations

from typing import Protocol

from fixer.model.diagnosis import Need
from fixer.render.terminal_text import Style


class Person(Protocol):
    """Somebody who reads progress and may answer."""

    @property
    def answers(self) -> bool:
        """True where questions reach somebody: a terminal on both sides."""
        ...

    @property
    def style(self) -> Style:
        """What can be shown to them."""
        ...

    def tell(self, line: str) -> None:
        """One line of progress: done."""
        ...

    def show(self, lines: list[str]) -> None:
        """A plan, before anything is asked."""
        ...

    def agrees(self, question: str) -> bool:
        """Yes or no; no when nothing is said."""
        ...

    def gives(self, need: Need) -> str | None:
        """The value of a need, hidden while typed where it is a secret; None when nothing is given."""
        ...
