"""Tests of fixer/hosts/bundle.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.errors import NeedsPerson, NoSuchTarget, Unreachable, UsageError
from fixer.hosts.bundle import BundleTarget
from fixer.hosts.open_target import open_target
from fixer.model.capture import Capture, NodeCapture
from fixer.model.query import Answer, ReadFile
from fixer.model.target import TargetRef

LOCAL_LOCAL = TargetRef("local", "")


def test_a_bundle_answers_what_was_asked_and_nothing_else(tmp_path: Path) -> None:
    query = ReadFile("/etc/x")
    capture = Capture(LOCAL_LOCAL, (
        NodeCapture("local", "machine", 5.0, True, {query: Answer("ok", b"x")}, 3600.0),
        NodeCapture("app", "container", 0.0, False, {}, unreachable="app is exited"),
    ), ("a note",))
    (tmp_path / "b.tgz").write_bytes(b"raw")
    target = open_target(TargetRef("bundle", f"{tmp_path}/b.tgz"), load_bundle=lambda data: capture if data == b"raw" else None)
    assert isinstance(target, BundleTarget)
    here, gone = target.askers()
    assert here.ask([query])[query].data == b"x"
    assert here.ask([ReadFile("/y")])[ReadFile("/y")].status == "failed"
    assert (here.clock().now, here.clock().utc_offset, here.clock().root, target.notes) == (5.0, 3600.0, True, ("a note",))
    with pytest.raises(Unreachable, match="exited"):
        gone.ask([query])
    for refused in (lambda: target.writer("local"), target.journal_location):
        with pytest.raises(NeedsPerson):
            refused()
    target.close()
    with pytest.raises(UsageError):
        open_target(TargetRef("bundle", f"{tmp_path}/b.tgz"))
    with pytest.raises(NoSuchTarget):
        open_target(TargetRef("bundle", str(tmp_path)), load_bundle=lambda data: capture)
