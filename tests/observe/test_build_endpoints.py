"""Tests of fixer/observe/build_endpoints.py."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known
from fixer.model.snapshot import Snapshot
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import recorded_capture


@pytest.fixture(scope="module")
def machine() -> Snapshot:
    return build_snapshot(recorded_capture("machine"))


def test_an_endpoint_where_nobody_listens(machine: Snapshot) -> None:
    dead = next(e for e in machine.endpoints if e.port == 8001)
    assert isinstance(dead.listener, Known) and dead.listener.value is None and dead.listener.evidence
    assert isinstance(dead.tcp, Known) and (dead.tcp.value.error, dead.tcp.value.errno) == ("refused", 111)
    assert (dead.configured_service, dead.listening_service, dead.node) == (None, None, "b2-host")
    assert next(f.data for f in machine.files if f.path == dead.file)[dead.start:dead.end] == b"127.0.0.1:8001"


def test_an_endpoint_that_is_told_and_held_by_its_service(machine: Snapshot) -> None:
    well = next(e for e in machine.endpoints if e.port == 8000)
    assert well.configured_service == well.listening_service == "b2-host/back.service"
    assert well.service_evidence[0].where.startswith("/etc/back/env:")
    assert isinstance(well.http, Known) and well.http.value.server == "uvicorn"
