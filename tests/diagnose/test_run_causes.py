"""Tests of fixer/diagnose/run_causes.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture, NodeCapture
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Evidence, Known
from fixer.model.query import Answer, Probe
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import options_from
from tests.causes.snapshot_builders import GOOD, Scene, healthy_scene, listener, service, verdict_of
from tests.observe.capture_builders import probe_answer, recorded_capture


def test_the_same_snapshot_gives_the_same_diagnosis() -> None:
    snapshot = Scene("127.0.0.1:8001").with_service(service(), listener(8000, 200)).refused().snapshot()
    assert diagnose(snapshot) == diagnose(snapshot)


def test_evidence_of_a_probe_is_kept_when_it_came_with_the_fact() -> None:
    scene = healthy_scene()
    scene.probes[0] = Known((GOOD,), (Evidence("probe", "http://shop/", "200"),))
    verdict = verdict_of(diagnose(scene.snapshot()), "wrong-port")
    assert isinstance(verdict, RuledOut) and verdict.evidence[0].where == "http://shop/"


# What was seen only in part, of real machines and containers, is judged all the same: nothing there ends as a bug.
PROBED = {
    "refused": probe_answer(error="refused", errno=111, phase="connect"), "slow": probe_answer(error="slow", phase="response"),
    "unreachable": probe_answer(error="unreachable", errno=113, phase="connect"), "cut": probe_answer(error="closed", phase="response"),
    "502": probe_answer(502, head="HTTP/1.1 502 Bad Gateway\r\nServer: nginx"), "not asked": Answer("failed", message="no answer"),
}


def halves(seen: Capture) -> Iterator[tuple[str, Capture]]:
    """Each node gone, alone and with every way in which the probes may end; each kind of answer missing."""
    for ended, answer in ({"": None} | PROBED).items():
        asked = tuple(_answered(node, answer) for node in seen.nodes)
        for gone in ("", *(node.name for node in seen.nodes)):
            nodes = tuple(replace(n, answers={}, unreachable=f"{n.name} is restarting") if n.name == gone else n for n in asked)
            yield f"{gone} gone, probes {ended}", replace(seen, nodes=nodes)
    for name in {getattr(q, "name", type(q).__name__) for node in seen.nodes for q in node.answers}:
        for status in ("absent", "denied", "timeout"):
            nodes = tuple(replace(node, answers={
                q: Answer(status) if getattr(q, "name", type(q).__name__) == name else told for q, told in node.answers.items()
            }) for node in seen.nodes)
            yield f"{name} {status}", replace(seen, nodes=nodes)


def _answered(node: NodeCapture, answer: Answer | None) -> NodeCapture:
    if answer is None:
        return node
    return replace(node, answers={q: answer if isinstance(q, Probe) else told for q, told in node.answers.items()})


@pytest.mark.parametrize("name", ["machine", "compose"])
def test_nothing_that_was_not_seen_ends_as_a_bug(name: str) -> None:
    seen = {}
    for what, half in halves(recorded_capture(name)):
        follow_up_queries(half, options_from(half.options))
        seen[what] = diagnose(build_snapshot(half)).verdict
    assert len(seen) > 40 and len(set(seen.values())) > 1, "what was hidden made a difference"
