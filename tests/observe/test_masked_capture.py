"""Tests of fixer/observe/masked_capture.py: a masked capture of a real deployment means what the capture means."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.capture import Capture
from fixer.model.plan import Step
from fixer.model.query import Answer, FileAnswer, ReadFile, ReadTree
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.evidence_bundle import unpack_bundle
from fixer.observe.masked_capture import redact_capture
from fixer.planner import RepairPolicy, plan
from tests.frozen import captures
from tests.observe.capture_builders import capture, node, stat

EVERY = 12      # of the captures, one in so many


def gist(capture: Capture) -> list[str]:
    """Causes, variants, confidence, places of evidence, repairs and plans; the words of evidence may be masked."""
    snapshot = build_snapshot(capture)
    diagnosis = diagnose(snapshot, accepted=snapshot.ignored)
    said = [f"{f.cause} {f.variant} {f.role} {f.confidence} {f.routes} {f.service} {f.node} {[e.where for e in f.evidence]}" for f in diagnosis.findings]
    said += [f"{r.id} {r.risk} {_steps(r.steps)} {[need.key for need in r.needs]} {bool(r.manual)}" for f in diagnosis.findings for r in f.repairs]
    for risk in ("safe", "disruptive"):
        made = plan(diagnosis, RepairPolicy(max_risk=risk), strict=False)
        said.append(f"{risk}: {made.cause} {made.repair_id} {made.risk} {_steps(made.steps)}")
    return said


def _steps(steps: tuple[Step, ...]) -> list[str]:
    return [f"{type(step).__name__} {getattr(step, 'path', '')}" for step in steps]


@pytest.mark.slow
def test_a_masked_capture_is_diagnosed_as_the_capture() -> None:
    differing = []
    for key, bundle in list(captures.unpacked())[::EVERY]:
        whole = unpack_bundle(bundle)
        if gist(whole) != gist(redact_capture(whole)):
            differing.append(key)
    assert differing == []


def test_a_mounted_file_is_masked_as_the_nginx_that_reads_it() -> None:
    """The same bytes were masked in two ways, and a repair did not know the file of the host any more."""
    data = b"# why\nset $a secret1;\n"
    inside = Answer("ok", files=(FileAnswer("/etc/nginx/conf.d/a.conf", "ok", stat(), data),))
    outside = Answer("ok", files=(FileAnswer("/srv/shop/site", "ok", stat(), data),))
    tree, read = ReadTree("/etc/nginx"), ReadFile("/srv/shop/site")
    masked = redact_capture(capture(node({tree: inside, read: outside}))).nodes[0].answers
    assert masked[tree].files[0].data == masked[read].files[0].data != data
