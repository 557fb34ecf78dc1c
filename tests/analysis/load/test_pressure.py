"""Tests of fixer/analysis/load/pressure.py."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from fixer.analysis.load.pressure import Pressure, stopped_processes
from tests.causes.snapshot_builders import process


def test_workers_go_on_before_their_parent_kills_them_for_hung() -> None:
    parent, worker, grandchild = (
        replace(process(pid, "uvicorn"), ppid=ppid, state="T") for pid, ppid in ((7, 1), (9, 7), (12, 9))
    )
    running = replace(process(8, "uvicorn"), ppid=7)
    pressure = cast(Pressure, SimpleNamespace(processes=(parent, running, worker, grandchild)))
    assert [p.pid for p in stopped_processes(pressure)] == [12, 9, 7]
