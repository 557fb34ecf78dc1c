"""One round of queries: all nodes in parallel, within the time that is left of the look."""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable, Mapping, Sequence

from fixer.errors import Unreachable
from fixer.hosts.machine.look_budget import LookBudget
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.capture import NodeCapture
from fixer.model.host import Asker
from fixer.model.query import CUT_OFF, NOT_ASKED, TOO_LONG, Answer, Probe, Query, unanswered
from fixer.observe.view.observe_options import PROBE_SECONDS, ObserveOptions

with lazy_imports():
    from fixer.hosts.machine import probe_program  # with sockets, which take 10 ms to import

_LATE_SECONDS = 1.0  # seconds after the last one in which a node may end what it ran


class AskedNodes:
    """The nodes of one look, with their answers so far."""

    def __init__(self, askers: Iterable[Asker], options: ObserveOptions, budget: LookBudget) -> None:
        self.askers: dict[str, Asker] = {}
        self.nodes: dict[str, NodeCapture] = {}
        self.options = options
        self._budget = budget
        self.add(askers)

    @property
    def is_late(self) -> bool:
        """Return whether the time for questions is over."""
        return self._budget.seconds_left() <= 0

    def add(self, askers: Iterable[Asker], *, anew: Container[str] = ()) -> None:
        """Add nodes. One that is known, and not in `anew`, keeps its answers."""
        for asker in askers:
            self.askers[asker.name] = asker
            if asker.name not in self.nodes or asker.name in anew:
                self.nodes[asker.name] = NodeCapture(asker.name, asker.kind, 0.0, False, {})

    def ask(self, questions: Mapping[str, Sequence[Query]]) -> None:
        """Run one round. A node that fails records its error and does not stop the others. Once the time of the look
        is over, nothing more is asked, and nobody is waited for."""
        self._budget.extend(_named_seconds((q for queries in questions.values() for q in queries), self.options))
        threads: dict[str, threading.Thread] = {}
        answered: dict[str, NodeCapture] = {}
        for name, queries in questions.items():
            if not self.nodes[name].unreachable:
                words = (self.askers[name], queries, self.nodes[name], answered, self._budget)
                threads[name] = threading.Thread(target=_ask_node, args=words, daemon=True)
                threads[name].start()
        for name, thread in threads.items():
            thread.join(self._budget.seconds_left() + _LATE_SECONDS)
            self.nodes[name] = answered.get(name) or _without_answers(self.nodes[name], questions[name], CUT_OFF)


def _named_seconds(queries: Iterable[Query], options: ObserveOptions) -> float:
    """Return the seconds that the user's options add to this round: `--url` and `--wait` name longer probes,
    `--requests` repeats them."""
    probes = [query for query in queries if isinstance(query, Probe)]
    longest = max((probe.timeout for probe in probes), default=0.0)
    longer = max(0.0, longest - PROBE_SECONDS)
    if not options.requests or not any(probe.attempt for probe in probes):
        return longer
    return longer + probe_program.SERIES_SECONDS


def _ask_node(asker: Asker, queries: Sequence[Query], before: NodeCapture, answered: dict[str, NodeCapture],
              budget: LookBudget) -> None:
    left = budget.seconds_left()
    late = {query for query in queries if left <= 0 or (isinstance(query, Probe) and query.timeout > left)}
    if not budget.has_bytes():
        answered[asker.name] = _without_answers(before, queries, TOO_LONG)
        return
    if late.issuperset(queries) and queries:
        answered[asker.name] = _without_answers(before, queries, NOT_ASKED)
        return
    try:
        answers = asker.ask([query for query in queries if query not in late] if late else queries)
    except Unreachable as error:
        answered[asker.name] = replace(before, unreachable=error.message)
        return
    if budget.seconds_left() <= 0:
        answers = {query: replace(answer, message=CUT_OFF) if answer.status == "timeout" else answer
                   for query, answer in answers.items()}
    clock = asker.clock()
    first = not before.answers       # uptime and processes were read then, so they go with that clock
    answered[asker.name] = NodeCapture(
        before.name, before.kind, clock.now if first else before.now, clock.root,
        {**before.answers, **answers, **_unanswered(late, NOT_ASKED)}, clock.utc_offset,
    )


def _without_answers(node: NodeCapture, queries: Iterable[Query], why: str) -> NodeCapture:
    """Return the node with `why` instead of these answers; a node that never answered has not even a clock."""
    if not node.answers:
        return replace(node, unreachable=why)
    return replace(node, answers={**node.answers, **_unanswered(queries, why)})


def _unanswered(queries: Iterable[Query], why: str) -> dict[Query, Answer]:
    return {query: unanswered(query, "failed" if why == TOO_LONG else "timeout", why) for query in queries}
