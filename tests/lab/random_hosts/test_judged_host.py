"""Tests of lab/random_hosts/judged_host.py: one host with one fault, from seed to judgement."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.host_container import LABEL, ensure_image
from lab.random_hosts.judged_host import judged_host
from lab.random_hosts.solvers import resolve_random_solver
from lab.stack.docker_engine import engine


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_a_host_is_rehearsed_broken_judged_and_removed(tmp_path: Path) -> None:
    image = ensure_image(lambda line: None)
    spec = draw_host(1, ["service-stopped"])
    found = judged_host(spec, resolve_random_solver("false"), image, tmp_path)
    assert found.problem == ""
    assert found.judgement is not None
    assert (found.judgement.outcome, found.judgement.outcome_right) == ("failed", False)
    assert found.judgement.harm == ()
    kept = json.loads((tmp_path / "host.json").read_text())
    assert kept["again"] == "lab bench --random 1 --seed 1 --keep"
    assert kept["faults"][0]["shows"]
    assert "502" in kept["faults"][0]["alone"]
    own = {"label": f"{LABEL}={os.getpid()}"}
    assert not engine().containers.list(all=True, filters=own)
