"""unix-socket-missing: a service listens on the very path, which has no socket any more."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known
from fixer.model.plan import UnitAction
from fixer.model.service import UnitValue
from tests.causes.snapshot_builders import NOW, Scene, finding_of, probe, roots, service, verdict_of
from tests.causes.unix_socket_missing.unix_socket_missing_builders import ASKED, scene, socket, told

CAUSE = "unix-socket-missing"


def lost(**changes: object) -> Scene:
    """The kernel's table has its socket at the very path, and the path leads to none."""
    gone = {"listener": Known(socket(ASKED)), "tcp": Known(probe(error="no-socket")), "http": Known(probe(error="no-socket"))}
    return scene(told(ASKED, **changes), socket(ASKED)).endpoint(**gone)


def test_hit_a_socket_that_was_taken_from_its_path_is_made_anew_by_a_restart() -> None:
    diagnosis = diagnose(lost().snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("unix-socket-missing", "certain", "disruptive")
    assert [s.verb for s in found.repairs[0].steps if isinstance(s, UnitAction)] == ["restart"]


def test_unknown_where_it_may_see_other_folders_than_nginx() -> None:
    root = UnitValue("RootDirectory", "/srv/root", "/etc/systemd/system/backend.service", 7, 0, 9)
    verdict = verdict_of(diagnose(lost(unit_values=(root,)).snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "RootDirectory" in verdict.missing[0]


def test_unknown_while_it_ends_again_and_again() -> None:
    """The socket went with one run between two questions of the look: nobody removed it."""
    looping = lost(unit_changes={"n_restarts": 7, "active_enter": NOW - 1, "active_state": "activating", "sub_state": "auto-restart"})
    verdict = verdict_of(diagnose(looping.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and "ends again and again" in verdict.missing[0]


def test_miss_a_stranger_that_holds_the_path_is_not_restarted() -> None:
    gone = {"listener": Known(socket(ASKED, 999)), "tcp": Known(probe(error="no-socket"))}
    found = diagnose(scene(told(ASKED), socket(ASKED, 999)).endpoint(**gone).snapshot())
    assert isinstance(verdict_of(found, CAUSE), RuledOut)


@pytest.mark.parametrize("preserved", [False, True])
def test_a_folder_that_another_unit_takes_away_is_named(*, preserved: bool) -> None:
    path = "/run/gateway/app.sock"
    lost = scene(told(path), socket(path), asked=path).endpoint(
        listener=Known(socket(path)), tcp=Known(probe(error="no-socket")), http=Known(probe(error="no-socket")))
    values = [UnitValue("RuntimeDirectory", "gateway", "/u", 3, 1, 2)]
    values += [UnitValue("RuntimeDirectoryPreserve", "yes", "/u", 4, 1, 2)] if preserved else []
    lost.services.append(service("gateway.service", 9, 9, is_app_server=False, unit_values=tuple(values)))
    found = finding_of(diagnose(lost.snapshot()), CAUSE)
    assert any("RuntimeDirectory= of gateway.service" in line for line in found.detail) is not preserved
