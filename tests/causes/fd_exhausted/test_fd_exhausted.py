"""fd-exhausted: a backend that may open nothing more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ComposeUp, DaemonReload, UnitAction, WriteFile
from tests.causes.fd_exhausted.fd_exhausted_builders import CAUSE, SAID, found, full, in_compose
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    failed_service,
    file,
    healthy_scene,
    log_lines,
    probe,
    roots,
    verdict_of,
)


def test_hit_it_says_so_itself() -> None:
    diagnosis = diagnose(full(SAID).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("backend-fd-limit", "certain", "disruptive")
    write, reload, restart, _ = first.repairs[0].steps
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nLimitNOFILE=65536\n"
    assert write.path.endswith("backend.service.d/50-badgateway-limits.conf")
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction)


def test_hit_it_cannot_even_start() -> None:
    lines = ("Traceback (most recent call last):", SAID, "During handling of the above exception, another exception occurred:",
             "RuntimeError: Cannot close a running event loop")
    scene = Scene().with_service(failed_service(log=log_lines("Started backend.service.", *lines))).refused()
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE] and "cannot even start" in diagnosis.findings[0].summary
    served = failed_service(log=log_lines("Started backend.service.", SAID, "INFO:     Application startup complete.", "Killed"))
    assert CAUSE not in roots(diagnose(Scene().with_service(served).refused().snapshot()))


def test_that_a_run_before_came_up_proves_nothing_of_this_one() -> None:
    lines = (*log_lines("INFO:     Application startup complete.", ago=60.0).value, *log_lines(SAID, "bye", ago=4.0).value)
    looping = {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 3, "active_enter": NOW - 5}
    scene = Scene().with_service(failed_service(log=Known(lines), unit_changes=looping)).refused()
    assert CAUSE in roots(diagnose(scene.snapshot()))


def test_hit_by_its_connections() -> None:
    assert (found(full()).variant, found(full()).confidence) == ("backend-fd-limit", "likely")
    assert found(full(queued=0).endpoint(http=Known(probe(error="reset")))).confidence == "likely"
    many = found(full(limit=70000, established=60000))
    assert many.repairs[0].needs[0].default == "280000"


def test_the_drop_in_is_the_last_one() -> None:
    scene = full(SAID, unit_changes={"nofile_limit": 48, "drop_in_paths": ("/etc/systemd/system/x.d/limits.conf",)})
    step = found(scene, open_files="999").repairs[0].steps[0]
    assert isinstance(step, WriteFile) and step.path.endswith("zz-badgateway-limits.conf")
    assert b"LimitNOFILE=999\n" in (step.after or b"")


def test_limits_of_a_container_are_raised_in_its_file() -> None:
    write, up, _ = found(in_compose("ulimits.nofile.soft", "ulimits.nofile.hard")).repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(up, ComposeUp) and write.after == b"8192 8192\n"


@pytest.mark.parametrize("scene", [in_compose(), in_compose("ulimits.nofile", start=None)])
def test_limits_that_the_file_does_not_hold(scene: Scene) -> None:
    repair = found(scene).repairs[0]
    assert repair.risk == "manual" and "8192" in repair.manual


def test_nobody_manages_it() -> None:
    bare = full(SAID, unit=None, manager="none")
    assert found(bare).repairs[0].risk == "manual"
    managed = full(SAID)
    managed.files.append(file("/etc/systemd/system/backend.service.d/50-badgateway-limits.conf", "[Service]\n",
                              managed_by="Ansible"))
    assert "Ansible" in found(managed).repairs[0].summary


@pytest.mark.parametrize("scene", [
    healthy_scene(), full(established=10), full(queued=0), full(established=28), full(limit=0), full('1.2.3.4 - "GET /EMFILE HTTP/1.1" 200', queued=0),
    full(SAID, established=3, queued=0).endpoint(configured_service=None, listening_service=None),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_old_words_and_those_of_before_a_repair() -> None:
    old = full(SAID, established=1, log=log_lines(SAID, ago=300.0))
    assert isinstance(verdict_of(diagnose(old.snapshot()), CAUSE), RuledOut)
    before = replace(full(SAID, established=1).snapshot(), seconds_since_repair=2.0)
    assert isinstance(verdict_of(diagnose(before), CAUSE), RuledOut)


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(full(log=Unknown("denied"), queued=0).snapshot()), CAUSE), Undetermined)


def test_a_reset_is_an_answer_too() -> None:
    assert found(full(SAID).endpoint(http=Known(probe(error="reset")))).variant == "backend-fd-limit"
