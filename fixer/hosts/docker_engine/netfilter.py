"""The packet filter of a container's network, read with this machine's tools: few images have any that may be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixer.hosts.machine import run_process
from fixer.hosts.machine.query_commands import MISSING_CODE, answer_of, runs_of
from fixer.lazy.dataclass import replace
from fixer.model.host import CommandResult
from fixer.model.query import Answer, Command, Query

_NAMES = frozenset({"nft-rules", "nft-text", "iptables-rules", "ip6tables-rules"})


def from_outside(queries: Sequence[Query], inside: Mapping[Query, Answer], pid: int) -> dict[Query, Answer]:
    """What the container could not tell of its filter itself; `pid` is its first process as this machine counts."""
    wanted = [q for q in queries if isinstance(q, Command) and q.name in _NAMES and _is_untold(inside.get(q))]
    return {query: _asked(query, pid) for query in wanted} if pid > 0 else {}


def _is_untold(answer: Answer | None) -> bool:
    return answer is not None and answer.status != "ok"


def _asked(query: Command, pid: int) -> Answer:
    return answer_of([_run(pid, run.argv, run.timeout) for run in runs_of(query) or ()])


def _run(pid: int, argv: Sequence[str], timeout: float) -> CommandResult:
    """nsenter tells by the shell's own code that there is no such program."""
    result = run_process.run(("nsenter", "-t", str(pid), "-n", *argv), timeout=timeout)
    return replace(result, argv=tuple(argv), missing=result.missing or result.returncode == MISSING_CODE)
