"""A node behind `sh -s`: one script on stdin and one output for each round of queries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from fixer.errors import Unreachable
from fixer.hosts.machine import probe_protocol
from fixer.hosts.machine.look_budget import LOOK_BYTES, seconds_within
from fixer.hosts.sh.round_answers import UNFINISHED, RoundOutput
from fixer.hosts.sh.round_script import build_round_script
from fixer.model.host import CommandResult, NodeClock
from fixer.model.query import TOO_LONG, Answer, AnswerStatus, Command, Probe, Query
from fixer.model.target import NodeKind

MAX_ROUND_BYTES = LOOK_BYTES
_ROUND_SECONDS = 20.0  # seconds for a round without slow commands, on a busy machine
_SHOWN_BYTES = 4096  # last bytes of an output in which its last line is looked for
_LAST_SECONDS = 1.0  # seconds of a round after its last command: to print its answers

Shell = Callable[[bytes, float], CommandResult]
"""Runs `sh -s` on the node with this script, bounded by that many seconds; after a timeout nothing of it is left."""


class ShAsker:
    """A node reached through `sh -s`: one script on stdin, one output, the same answers as local.
    With `whole`, an interrupted round is no answer: a partial folder could pass for a complete one."""

    def __init__(self, name: str, kind: NodeKind, shell: Shell, *, whole: bool = False) -> None:
        self.name = name
        self.kind = kind
        self._shell = shell
        self._whole = whole
        self._clock: NodeClock | None = None

    def clock(self) -> NodeClock:
        """Return the node's clock as of the last `ask`."""
        if self._clock is None:
            self.ask(())
        assert self._clock is not None
        return self._clock

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        """Run one round; raise `Unreachable` if the script did not even start."""
        unique = tuple(dict.fromkeys(queries))
        limit = seconds_within(_ROUND_SECONDS + _extra_seconds(unique))
        asked = build_round_script(unique, seconds=limit - _LAST_SECONDS)
        started = time.time()
        result = self._shell(asked.script, limit)
        output = RoundOutput(asked, result.stdout)
        if not output.has_started:
            raise Unreachable(*explain_no_answer(self.name, result))
        if self._whole and not output.ended and not result.timed_out and not result.truncated:
            raise Unreachable(f"{self.name} ended during the observation")
        late: tuple[AnswerStatus, str] = ("timeout" if result.timed_out else "failed", UNFINISHED)
        if result.truncated:
            late = ("failed", TOO_LONG)
        del result  # else its bytes are kept beside the answers that are made of them
        self._clock = output.clock(started)
        return output.answers(*late)


def _extra_seconds(queries: Sequence[Query]) -> float:
    commands = sum(isinstance(q, Command) for q in queries)
    return 8.0 * commands + probe_protocol.longest_timeout([q for q in queries if isinstance(q, Probe)])


def explain_no_answer(name: str, result: CommandResult) -> tuple[str, str]:
    """Return (message, hint) for a transport that gave no answer."""
    said = result.stderr[-_SHOWN_BYTES:] + result.stdout[-_SHOWN_BYTES:]
    lines = said.decode(errors="replace").strip().splitlines()
    reason = "it did not answer in time" if result.timed_out else lines[-1][:300] if lines else "no answer"
    return f"{name} cannot be observed: {reason}", ""
