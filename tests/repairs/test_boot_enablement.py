"""What no boot starts, beside what is disabled: a unit that nothing wants is linked in when it is started."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.managers import manager_of
from fixer.managers.systemd_steps import boot_steps
from fixer.model.facts import Evidence, Known
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import UnitSetting
from fixer.repairs.boot_enablement import boot_details, enable_at_boot_text
from tests.causes.snapshot_builders import (
    NGINX_PID,
    STOPPED,
    Scene,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    service,
    stopped_service,
    supervised_service,
)

NEVER = {**STOPPED, "active_enter": 0.0, "inactive_enter": 0.0, "state_change": 0.0}
LINK = "/etc/systemd/system/multi-user.target.wants/backend.service"


def scene(**unit: object) -> Scene:
    return Scene().with_service(stopped_service(unit_changes=unit)).refused()


@pytest.mark.parametrize("state", ["static", "linked", "enabled-runtime"])
def test_what_nothing_wants_is_linked_to_what_is_booted_to(state: str) -> None:
    found = finding_of(diagnose(scene(unit_file_state=state, pulled_by=()).snapshot()), "backend-down")
    link, told, start, *_ = found.repairs[0].steps
    assert isinstance(link, WriteFile) and (link.path, link.link_target) == (LINK, "/etc/systemd/system/backend.service")
    assert link.before is None and isinstance(told, DaemonReload)
    assert isinstance(start, UnitAction) and start.verb == "start"
    assert (found.variant, found.repairs[0].risk) == ("unit-disabled-after-reboot", "safe")
    assert found.repairs[0].summary == "start backend.service and make it start at boot"
    assert found.summary.startswith("backend.service is stopped, and nothing starts it at boot;")
    assert any("nothing starts it at boot" in line for line in found.detail)


def test_one_that_ended_by_itself_keeps_its_variant_and_is_linked_too() -> None:
    ended = log_lines("Started backend.service.", "backend.service: Deactivated successfully.")
    at = Scene().with_service(stopped_service(unit_changes={"unit_file_state": "static", "pulled_by": ()}, log=ended)).refused()
    found = finding_of(diagnose(at.snapshot()), "backend-down")
    assert found.variant == "clean-exit-not-restarted"
    assert any(isinstance(step, WriteFile) and step.path == LINK for step in found.repairs[0].steps)


def test_enabled_for_a_target_that_is_not_booted_to() -> None:
    graphical = UnitSetting("WantedBy", "graphical.target", Evidence("unit", "/u:9", "WantedBy=graphical.target"), True)
    service = stopped_service(unit_changes={**NEVER, "pulled_by": ()}, settings=(graphical,))
    snapshot = Scene().with_service(service).snapshot()
    assert [type(s) for s in boot_steps(snapshot, service)] == [WriteFile, DaemonReload]


@pytest.mark.parametrize("unit", [
    {"unit_file_state": "static", "pulled_by": ("shop.target",)},        # another unit starts it
    {"unit_file_state": "static", "pulled_by": ("backend.timer",)},
    {"unit_file_state": "static"},                                       # not told, as in what was recorded before
    {"unit_file_state": "static", "pulled_by": (), "fragment_path": "/run/systemd/transient/backend.service"},
    {"unit_file_state": "enabled", "pulled_by": ()},                     # it ran since the boot
    {"unit_file_state": "generated", "pulled_by": ()},
])
def test_what_a_boot_starts_or_nobody_can_tell_is_left(unit: dict[str, object]) -> None:
    service = stopped_service(unit_changes=unit)
    snapshot = Scene().with_service(service).snapshot()
    assert not manager_of(service).is_off_at_boot() and boot_steps(snapshot, service) == () and "nothing starts" not in str(
        boot_details(service))


def test_a_link_that_systemd_was_not_told_of_yet_is_not_made_again() -> None:
    there = UnitSetting("WantedBy", "multi-user.target", Evidence("unit", "/u:9", "WantedBy=multi-user.target"), True)
    service = stopped_service(unit_changes={**NEVER, "pulled_by": ()}, settings=(there,))
    assert boot_steps(Scene().with_service(service).snapshot(), service) == ()


@pytest.mark.parametrize(("unit", "way"), [
    ({"unit_file_state": "disabled", "pulled_by": ()}, "enable"),
    ({"unit_file_state": "static", "pulled_by": ()}, "add-wants multi-user.target"),
    ({"unit_file_state": "disabled", "pulled_by": ("shop.target",)}, ""),
    ({"unit_file_state": "transient", "pulled_by": ()}, ""),              # systemd-run: somebody's, for now
    ({"unit_file_state": "disabled"}, ""),                                # not told, as in what was recorded before
    ({"unit_file_state": "enabled", "pulled_by": ("multi-user.target",)}, ""),
    ({"unit_file_state": "static", "pulled_by": ("backend.socket",)}, ""),
])
def test_of_what_serves_and_would_not_come_back_a_note_says_so(unit: dict[str, object], way: str) -> None:
    running = service(unit_changes=unit)
    snapshot = Scene().with_service(running, listener(8000, 200)).snapshot()
    said = [note for note in diagnose(snapshot).notes if "at boot" in note]
    state = unit["unit_file_state"]
    assert said == ([f"nothing starts backend.service at boot, and nginx needs it ({state}): run systemctl {way} backend.service"]
                    if way else [])


@pytest.mark.parametrize(("unit", "pid", "is_said"), [
    ({"unit_file_state": "disabled", "pulled_by": ()}, NGINX_PID, True),
    ({"unit_file_state": "disabled", "pulled_by": ()}, 9, False),            # started beside its unit
    ({"unit_file_state": "disabled", "pulled_by": ("cluster.service",)}, NGINX_PID, False),
    ({"unit_file_state": "enabled", "pulled_by": ("multi-user.target",)}, NGINX_PID, False),
])
def test_of_nginx_itself_too(unit: dict[str, object], pid: int, *, is_said: bool) -> None:
    scene = healthy_scene()
    scene.nginx["service"] = service("nginx.service", 80, pid, is_app_server=False, unit_changes={**unit, "main_pid": pid})
    notes = [note for note in diagnose(scene.snapshot()).notes if "at boot" in note]
    assert notes == (["nothing starts nginx.service at boot (disabled): run systemctl enable nginx.service"] if is_said else [])


def test_who_took_anothers_port_is_not_said_to_be_enabled() -> None:
    """The application that is told to listen there cannot: to let a boot start the other one would keep it so."""
    thief = service("apache2.service", 80, 300, is_app_server=False, bindings=Known(()),
                    unit_changes={"unit_file_state": "disabled", "pulled_by": ()})
    taken = Scene().with_service(thief, listener(8000, 300)).with_service(stopped_service()).endpoint(
        configured_service="local/backend.service", listening_service=thief.id)
    assert not any("apache2" in note for note in diagnose(taken.snapshot()).notes)
    alone = Scene().with_service(thief, listener(8000, 300)).endpoint(configured_service=None, listening_service=thief.id)
    assert any("nothing starts apache2.service at boot" in note for note in diagnose(alone.snapshot()).notes)


def test_a_path_unit_that_has_not_found_what_it_waits_for_is_nothing_that_a_boot_starts_it_by() -> None:
    static = {"unit_file_state": "static", "pulled_by": ("backend.path",)}
    found = finding_of(diagnose(scene(**static).snapshot()), "backend-down")
    assert any(isinstance(step, WriteFile) and step.path == LINK for step in found.repairs[0].steps)
    assert not manager_of(service(unit_changes=static)).is_off_at_boot()      # it runs: the path unit may have started it


@pytest.mark.parametrize(("pulled", "off"), [
    (("shop.target",), True), (("multi-user.target",), False), (("shop.target", "other.service"), False), (("a.timer",), False),
])
def test_a_target_that_did_not_start_it_at_this_boot_is_nothing_to_rely_on(pulled: tuple[str, ...], off: bool) -> None:
    """A group's own target that is disabled: what it wants is enabled all the same."""
    assert manager_of(stopped_service(unit_changes={**NEVER, "pulled_by": pulled})).is_off_at_boot() is off
    assert not manager_of(stopped_service(unit_changes={"pulled_by": pulled})).is_off_at_boot()      # it ran since the boot


def test_the_summary_says_that_supervisords_own_file_gets_an_include() -> None:
    made = supervised_service("UNREAD", program={"missing_include": (0, "x"), "file": "/etc/supervisor/conf.d/shop.ini"})
    assert enable_at_boot_text(made) == ", and include /etc/supervisor/conf.d/shop.ini in /etc/supervisor/supervisord.conf"
    assert enable_at_boot_text(supervised_service("UNREAD")) == ""
