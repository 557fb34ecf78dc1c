"""An asker whose node is reached through `sh -s`: one script on stdin, one output, the same answers as local."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from fixer.errors import Unreachable
from fixer.hosts.sh.round_answers import RoundOutput
from fixer.hosts.sh.round_script import plan_round
from fixer.model.host import CommandResult, NodeClock
from fixer.model.query import Answer, Command, Probe, Query
from fixer.model.target import NodeKind

MAX_ROUND = 96 << 20
_PATIENCE = 20.0     # for a round without slow commands, on a machine under load

Shell = Callable[[bytes, float], CommandResult]
"""Runs `sh -s` on the node with this script, bounded by that many seconds; after a timeout nothing of it is left."""


class ShAsker:
    """A node behind a shell. With `whole`, a round that broke off is no answer: half a folder looks like a folder."""

    def __init__(self, name: str, kind: NodeKind, shell: Shell, *, whole: bool = False) -> None:
        self.name = name
        self.kind = kind
        self._shell = shell
        self._whole = whole
        self._clock: NodeClock | None = None

    def clock(self) -> NodeClock:
        """The node's clock as the last `ask` found it."""
        if self._clock is None:
            self.ask(())
        assert self._clock is not None
        return self._clock

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        """One round; `Unreachable` when the script did not even begin."""
        unique = tuple(dict.fromkeys(queries))
        asked = plan_round(unique)
        started = time.time()
        result = self._shell(asked.script, _PATIENCE + _bound(unique))
        output = RoundOutput(asked, result.stdout)
        if not output.began:
            raise Unreachable(*explain(self.name, result))
        if self._whole and not output.ended and not result.timed_out and not result.truncated:
            raise Unreachable(f"{self.name} ended while it was asked")
        self._clock = output.clock(started)
        answers = output.answers()
        late = Answer("timeout" if result.timed_out else "failed", message="the node did not finish answering")
        return {query: answers.get(query, late) for query in queries}


def _bound(queries: Sequence[Query]) -> float:
    commands = sum(isinstance(q, Command) for q in queries)
    return 8.0 * commands + max((q.timeout for q in queries if isinstance(q, Probe)), default=0.0)


def explain(name: str, result: CommandResult) -> tuple[str, str]:
    """(message, hint) for a transport that gave no answer."""
    said = (result.stderr + result.stdout).decode(errors="replace").strip().splitlines()
    reason = "it did not answer in time" if result.timed_out else said[-1][:300] if said else "no answer"
    return f"{name} cannot be asked: {reason}", ""
