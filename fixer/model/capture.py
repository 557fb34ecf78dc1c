"""The capture: raw bytes read from the nodes of a target. Everything after it is pure and can be replayed."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import IgnoredFinding
from fixer.model.query import Answer, Query
from fixer.model.target import NodeKind, TargetRef


@dataclass(frozen=True, slots=True)
class NodeCapture:
    """The answers of one node. `now` is the node's clock (epoch seconds) when it was asked, `root` whether we were."""

    name: str
    kind: NodeKind
    now: float
    root: bool
    answers: Mapping[Query, Answer]
    utc_offset: float = 0.0   # seconds east of UTC of the node's local time: nginx logs local time without a zone
    unreachable: str = ""


@dataclass(frozen=True, slots=True)
class Capture:
    """All nodes of a target. The node `engine` holds what the Docker engine answered (docker and compose targets).

    A bundle keeps what people had `accepted` there, and what else was `said` of the target (its policy), too.
    """

    target: TargetRef
    nodes: tuple[NodeCapture, ...]
    notes: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    accepted: tuple[IgnoredFinding, ...] = ()
    said: tuple[str, ...] = ()
