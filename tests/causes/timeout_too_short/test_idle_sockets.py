"""Tests of fixer/causes/timeout_too_short/idle_sockets.py."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from tests.causes.snapshot_builders import Scene, finding_of, listener, service

CAUSE = "timeout-too-short"
SAID = "upstream timed out (110: Connection timed out)"


def cut(count: int, *, ago: float = 60.0, path: str = "/live/board", upgrades: bool = True) -> Diagnosis:
    """Visitors' sockets of one of two locations were closed, each a minute after its last byte."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200))
    scene.route |= {0: {"upgrades": True}, 1: {"location": "/live", "path": "/live", "upgrades": upgrades}}
    for number in range(count):
        scene.logs(SAID, 110, "proxying upgraded connection", ago=ago + number, path=path)
        scene.events[-1] = replace(scene.events[-1], level="info", kind="timeout-tunnel")     # as nginx writes it
    return diagnose(scene.snapshot())


def test_sockets_on_which_no_byte_comes_are_told_as_advice() -> None:
    diagnosis = cut(4)
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.role, found.routes) == ("websocket-idle-cut", "advice", ("r2",)) and diagnosis.verdict == "healthy"
    assert "closed 4 open sockets of /live within 15 minutes: no byte came for 60 s (proxy_read_timeout)" in found.summary
    assert any(SAID in e.text for e in found.evidence) and found.evidence[1].where.endswith("/shop:4")


def test_two_may_be_one_visitor_and_old_ones_say_nothing_of_now() -> None:
    assert not cut(2).findings and not cut(4, ago=2000.0).findings


def test_a_line_belongs_to_the_longest_location_that_passes_sockets_on() -> None:
    assert finding_of(cut(3, path="/other"), CAUSE).routes == ("r1",)
    assert finding_of(cut(3, upgrades=False), CAUSE).routes == ("r1",)
