"""Tests of fixer/observe/question_round.py: one budget of time for all rounds of a look."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest

from fixer.app.cause_catalogue import builtin_causes
from fixer.diagnose.run_causes import diagnose
from fixer.errors import CannotObserve, NoNginx
from fixer.hosts.machine import look_budget
from fixer.hosts.machine.look_budget import LookBudget, one_look
from fixer.lazy.dataclass import replace
from fixer.model.host import NodeClock
from fixer.model.query import CUT_OFF, NOT_ASKED, Answer, Command, FileAnswer, Probe, Query, ReadFile, unanswered
from fixer.model.target import NodeKind
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import collect
from fixer.observe.question_round import AskedNodes
from fixer.observe.snapshot_notes import cut_text
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, node, recorded_capture
from tests.observe.next_queries_builders import ROUTE, SITE, WELL
from tests.observe.test_collect_capture import Scene

HOSTS, NFT, PROBE = ReadFile("/etc/hosts"), Command("nft-rules"), Probe("127.0.0.1", 80, "/")


class Node:
    """A node that answers at once, except if it is told to hang."""

    kind: NodeKind = "machine"

    def __init__(self, name: str, stop: threading.Event) -> None:
        self.name = name
        self.asked: list[Query] = []
        self.hangs = False
        self._stop = stop

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        self.asked += queries
        if self.hangs:
            self._stop.wait(60)
        return dict.fromkeys(queries, Answer("ok"))

    def clock(self) -> NodeClock:
        return NodeClock(1_800_000_000.0, 0.0, True)


@pytest.fixture
def pair() -> Iterator[tuple[Node, Node]]:
    stop = threading.Event()
    yield Node("well", stop), Node("hung", stop)
    stop.set()


def test_nobody_waits_for_a_node_that_hangs_and_nothing_is_asked_after_the_time(pair: tuple[Node, Node]) -> None:
    well, hung = pair
    nodes = AskedNodes(pair, ObserveOptions(), LookBudget(0.2, 1))
    nodes.ask({"well": [NFT], "hung": [NFT]})
    hung.hangs = True
    started = time.monotonic()
    nodes.ask({"well": [HOSTS], "hung": [HOSTS]})
    assert time.monotonic() - started < 5.0 and nodes.is_late
    assert nodes.nodes["well"].answers == {NFT: Answer("ok"), HOSTS: Answer("ok")}
    no_file = (FileAnswer("/etc/hosts", "timeout"),)       # not known to be missing
    assert nodes.nodes["hung"].answers == {NFT: Answer("ok"), HOSTS: Answer("timeout", files=no_file, message=CUT_OFF)}
    assert cut_text(nodes.nodes["hung"]) == "1 question was not answered in time: one look takes at most 10 s"
    more = Command("kernel-log")
    nodes.ask({"well": [more, PROBE]})
    assert well.asked == [NFT, HOSTS]
    assert {nodes.nodes["well"].answers[query].message for query in (more, PROBE)} == {NOT_ASKED}
    assert cut_text(nodes.nodes["well"]) == "2 questions were not asked: one look takes at most 10 s"


def test_a_node_that_never_answered_has_no_clock_and_is_not_observed(pair: tuple[Node, Node]) -> None:
    pair[1].hangs = True
    nodes = AskedNodes(pair, ObserveOptions(), LookBudget(0.1, 1))
    nodes.ask({"hung": [NFT]})
    nodes.ask({"well": [NFT]})
    assert (nodes.nodes["hung"].unreachable, nodes.nodes["well"].unreachable) == (CUT_OFF, NOT_ASKED)


def test_a_probe_has_its_whole_time_or_is_not_made(pair: tuple[Node, Node]) -> None:
    nodes = AskedNodes(pair, ObserveOptions(), LookBudget(1.9, 1))
    nodes.ask({"well": [NFT, PROBE]})
    assert pair[0].asked == [NFT] and nodes.nodes["well"].answers[PROBE].message == NOT_ASKED


@pytest.mark.parametrize(("options", "probe", "seconds"), [
    (ObserveOptions(), PROBE, 2.5), (ObserveOptions(wait=30.0), Probe("127.0.0.1", 80, "/", timeout=30.0), 30.5),
    (ObserveOptions(url="http://a/"), Probe("127.0.0.1", 80, "/", timeout=65.0), 65.5),
    (ObserveOptions(requests=9), Probe("127.0.0.1", 80, "/", attempt=1), 7.5),
])
def test_what_names_its_own_time_brings_it_along(pair: tuple[Node, Node], options: ObserveOptions, probe: Probe, seconds: float) -> None:
    budget = LookBudget(2.5, 1)
    AskedNodes(pair, options, budget).ask({"well": [probe]})
    assert pair[0].asked == [probe]
    assert seconds - 2.0 < budget.seconds_left() <= seconds


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("name", ["machine", "compose"])
def test_what_was_not_asked_makes_nothing_healthy_and_is_said(name: str, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, asked = recorded_capture(name), [0]
    ask = AskedNodes.ask

    def tiring(nodes: AskedNodes, questions: Mapping[str, Sequence[Query]]) -> None:
        ask(nodes, questions)
        asked[0] += 1
        if asked[0] == rounds:
            with one_look() as budget:
                budget.extend(-100.0)

    monkeypatch.setattr(AskedNodes, "ask", tiring)
    cut = diagnose(build_snapshot(collect(Scene(seen), ObserveOptions())), {}, causes=builtin_causes())
    if rounds == 1:       # the second asks all that this host needs
        assert any("not asked: one look takes at most 10 s" in note for note in cut.notes), cut.notes
    assert cut.verdict != "healthy"


def test_a_well_host_is_not_healthy_if_its_pages_were_not_asked() -> None:
    seen = capture(node(WELL, site=SITE))
    whole = diagnose(build_snapshot(seen), {}, causes=builtin_causes())
    assert whole.verdict == "healthy"
    for unasked in WELL:
        answers = {**seen.nodes[0].answers, unasked: unanswered(unasked, "timeout", NOT_ASKED)}
        cut = diagnose(build_snapshot(replace(seen, nodes=(replace(seen.nodes[0], answers=answers),))), {}, causes=builtin_causes())
        assert cut.verdict == "unknown" or unasked != ROUTE, cut
        assert "local: 1 question was not asked: one look takes at most 10 s" in cut.notes


def test_a_node_without_time_to_answer_may_be_the_one_with_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = recorded_capture("compose")
    scene = Scene(replace(seen, nodes=tuple(n for n in seen.nodes if n.name != "web")))
    stop = threading.Event()
    hung = Node("web", stop)
    hung.hangs = True
    monkeypatch.setattr(look_budget, "LOOK_SECONDS", 0.5)
    for others in ((), scene.made):
        scene.made = (*others, hung)      # type: ignore[assignment]
        with pytest.raises(CannotObserve, match="web: no answer before the 10 s of this look were over") as raised:
            collect(scene, ObserveOptions())
        assert not isinstance(raised.value, NoNginx)
    stop.set()
