"""`bundle:FILE`: a saved capture as a target. It replays recorded answers and cannot be changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from fixer.errors import NeedsPerson, Unreachable
from fixer.model.capture import Capture, NodeCapture
from fixer.model.host import Asker, NodeClock, Writer
from fixer.model.query import Answer, Query
from fixer.model.target import NodeKind, TargetRef


class ReplayAsker:
    """One node of a capture: a recorded query gets its answer, any other `failed: not recorded`."""

    def __init__(self, node: NodeCapture) -> None:
        self._node = node

    @property
    def name(self) -> str:
        """Return the node's recorded name."""
        return self._node.name

    @property
    def kind(self) -> NodeKind:
        """Return the node's recorded kind."""
        return self._node.kind

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        """Return the recorded answers."""
        if self._node.unreachable:
            raise Unreachable(self._node.unreachable)
        missing = Answer("failed", message="not recorded")
        return {query: self._node.answers.get(query, missing) for query in queries}

    def clock(self) -> NodeClock:
        """Return the node's recorded clock."""
        return NodeClock(self._node.now, self._node.utc_offset, self._node.root)


class BundleTarget:
    """A target as its capture recorded it."""

    def __init__(self, ref: TargetRef, capture: Capture) -> None:
        self.ref = ref
        self.capture = capture

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the notes of the capture."""
        return self.capture.notes

    def askers(self) -> tuple[Asker, ...]:
        """Return the recorded nodes."""
        return tuple(ReplayAsker(node) for node in self.capture.nodes)

    def writer(self, node: str) -> Writer:
        """Raise NeedsPerson: a bundle is a record."""
        self._refuse()

    def journal_location(self) -> tuple[Writer, str]:
        """Raise NeedsPerson: nothing is changed, so nothing is journaled."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NeedsPerson(f"{self.ref} is a bundle and cannot be changed", f"repair its source: {self.capture.target}")

    def close(self) -> None:
        """Do nothing: nothing is open."""
