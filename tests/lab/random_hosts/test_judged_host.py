"""Tests of lab/random_hosts/judged_host.py: one host with one fault, from seed to judgement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.host_container import ensure_image
from lab.random_hosts.judged_host import judged_host
from lab.random_hosts.solvers import resolve_random_solver
from lab.stack.docker_engine import engine


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_a_host_is_rehearsed_broken_judged_and_removed(tmp_path: Path) -> None:
    image = ensure_image(lambda line: None)
    spec = draw_host(1, ["service-stopped"])
    before = {found.id for found in engine().containers.list(all=True, filters={"label": "badgateway.random"})}
    found = judged_host(spec, resolve_random_solver("nothing"), image, tmp_path)
    assert found.problem == ""
    assert found.judgement is not None
    assert found.judgement.outcome == "falsely-healthy"     # doing nothing is called done, and the pages still fail
    assert found.judgement.harm == ()
    kept = json.loads((tmp_path / "host.json").read_text())
    assert kept["again"] == "lab bench --random 1 --seed 1 --keep"
    assert kept["faults"][0]["shows"]
    assert "502" in kept["faults"][0]["alone"]
    after = {found.id for found in engine().containers.list(all=True, filters={"label": "badgateway.random"})}
    assert not after - before
