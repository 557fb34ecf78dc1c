"""The capture: raw bytes read from the nodes of a target. All later stages are pure and can be replayed."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import IgnoredFinding
from fixer.model.query import Answer, Query
from fixer.model.target import NodeKind, TargetRef


@dataclass(frozen=True, slots=True)
class NodeCapture:
    """The answers of one node. `now` is the node's clock (epoch seconds) at the query, `root` whether we were root."""

    name: str
    kind: NodeKind
    now: float
    root: bool
    answers: Mapping[Query, Answer]
    utc_offset: float = 0.0  # seconds east of UTC: nginx logs local time without a zone
    unreachable: str = ""


@dataclass(frozen=True, slots=True)
class Capture:
    """All nodes of a target. The node `engine` holds the Docker engine's answers (docker and compose targets).
    A bundle also holds the findings `accepted` (ignored) there, and what else was `said` of the target (its policy)."""

    target: TargetRef
    nodes: tuple[NodeCapture, ...]
    notes: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    accepted: tuple[IgnoredFinding, ...] = ()
    said: tuple[str, ...] = ()
