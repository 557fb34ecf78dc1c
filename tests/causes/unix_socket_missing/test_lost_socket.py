"""unix-socket-missing: a service listens on the very path, which has no socket any more."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known
from fixer.model.plan import UnitAction, WriteFile
from fixer.model.service import UnitValue
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    file,
    finding_of,
    log_lines,
    probe,
    roots,
    service,
    unit,
    verdict_of,
)
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


FRAGMENT = "[Unit]\nRequires=backend.socket\n[Service]\nExecStart=/usr/bin/gunicorn shop:app\n"


def activated(text: str = FRAGMENT, **changes: object) -> Scene:
    """systemd holds the socket, and the service that inherited it runs."""
    held = lost(socket=unit("backend.socket", listen=(ASKED,)), **changes)
    held.files.append(file("/etc/systemd/system/backend.service", text))
    return held


def verbs(found: Finding) -> list[tuple[str, str]]:
    return [(step.unit, step.verb) for step in found.repairs[0].steps if isinstance(step, UnitAction)]


def test_a_socket_that_systemd_holds_is_made_anew_by_its_own_unit() -> None:
    """A restart of the service gets the old socket again."""
    found = finding_of(diagnose(activated().snapshot()), CAUSE)
    assert (found.repairs[0].risk, verbs(found)) == ("disruptive", [("backend.socket", "restart")])
    assert "systemd still listens" in found.summary


def test_where_the_service_does_not_require_its_socket_a_person_stops_it_first() -> None:
    """systemd refuses a socket whose service runs."""
    (repair,) = finding_of(diagnose(activated("[Service]\nExecStart=/usr/bin/gunicorn shop:app\n").snapshot()), CAUSE).repairs
    assert repair.risk == "manual" and repair.manual is not None
    assert "systemctl stop backend.service; systemctl restart backend.socket; systemctl start backend.service" in repair.manual


def test_its_own_folder_that_goes_at_each_stop_is_kept() -> None:
    own = UnitValue("RuntimeDirectory", "shop", "/etc/systemd/system/backend.service", 4, 1, 2)
    found = finding_of(diagnose(activated(unit_values=(own,)).snapshot()), CAUSE)
    (written,) = [step for step in found.repairs[0].steps if isinstance(step, WriteFile)]
    assert written.after == b"[Service]\nRuntimeDirectoryPreserve=yes\n" and verbs(found) == [("backend.socket", "restart")]
    assert any("RuntimeDirectory= of backend.service" in line for line in found.detail)


def test_a_restart_that_was_asked_for_is_no_loop() -> None:
    """systemd logs its end after "Stopping", right before the next start."""
    said = ("Stopping backend.service - Shop...", "backend.service: Deactivated successfully.",
            "Stopped backend.service - Shop.", "Started backend.service - Shop.")
    asked_for = activated(log=log_lines(*said), unit_changes={"active_enter": NOW - 2, "state_change": NOW - 2})
    assert roots(diagnose(asked_for.snapshot())) == [CAUSE]
