"""Tests of lab/random_hosts/judged_host.py: one host with one fault, from seed to judgement."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from lab.random_hosts.host_container import LABEL, owner_of
from lab.random_hosts.host_images import ensure_images, image_of
from lab.random_hosts.judged_host import changed_files, judged_host, ways_after_undo
from lab.random_hosts.part_files import fault_named
from lab.random_hosts.solvers import resolve_random_solver
from lab.random_hosts.visits import WELL, Signature
from lab.stack.docker_engine import engine
from lab.trial.manifest import differences, folder_manifest
from tests.crash.crash_draw import draw_by_day
from tests.lab.random_hosts.builders import host_of_kind


def test_after_an_undo_a_fault_that_a_restart_ends_is_no_way_to_fail() -> None:
    """A frozen service lets visitors hang. The machine was restarted: if they hang then, the undo did it."""
    few, frozen = fault_named("nginx-files-few"), fault_named("service-frozen")
    error, hanging = (Signature((status,) * 5, frozenset()) for status in (500, 0))
    ways = ways_after_undo([few, frozen], error, {few.name: error, frozen.name: hanging}, kept=False)
    assert ways[0] == error and WELL in ways and hanging not in ways


def test_an_undo_that_left_what_the_restart_had_started_may_show_each_fault_behind_it() -> None:
    """nginx was stopped in front of an application without its network: nginx goes on, since the judge started it
    again, and what the undo took back shows for the first time."""
    stopped, detached = fault_named("nginx-stopped"), fault_named("network-detached")
    nobody, error = (Signature((status,) * 5, frozenset()) for status in (0, 502))
    alone = {stopped.name: nobody, detached.name: error}
    assert error in ways_after_undo([stopped, detached], nobody, alone, kept=True)
    assert error not in ways_after_undo([stopped, detached], nobody, alone, kept=False)


@pytest.mark.docker
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", draw_by_day(["machine", "project", "all-in-one"], "judged host", 1))
def test_a_host_is_rehearsed_broken_judged_and_removed(tmp_path: Path, kind: str) -> None:
    """By day of one kind, drawn from the commit."""
    spec = host_of_kind(kind, "service-stopped")
    ensure_images(lambda line: None, [spec])
    found = judged_host(spec, resolve_random_solver("false"), image_of(spec), tmp_path)
    assert found.problem == ""
    assert found.judgement is not None
    assert (found.judgement.outcome, found.judgement.outcome_right) == ("failed", False)
    assert found.judgement.harm == ()
    kept = json.loads((tmp_path / "host.json").read_text())
    assert kept["again"] == f"lab bench --random 1 --seed {spec.seed} --keep"
    assert kept["faults"][0]["shows"]
    assert kept["faults"][0]["alone"].startswith("(")
    owners = [one["Labels"][LABEL] for one in engine().api.containers(all=True, filters={"label": LABEL})]
    assert not any(owner.startswith(owner_of("")) for owner in owners)


def test_a_socket_that_comes_and_goes_is_no_file_and_what_replaces_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)         # the path of a socket is short
    before = folder_manifest(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("app.sock")
        made = folder_manifest(tmp_path)
        Path("app.sock").chmod(0o600)
        assert "mode" in changed_files(made, folder_manifest(tmp_path))[0]
    assert differences(before, made) and changed_files(before, made) == changed_files(made, before) == ()
    os.replace("app.sock", "gone.sock")
    Path("app.sock").write_text("")
    assert changed_files(before, folder_manifest(tmp_path)) == (f"{tmp_path}/app.sock: new",)
