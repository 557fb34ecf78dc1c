"""What systemd says of a unit."""

from __future__ import annotations

from fixer.formats.unit_file import RC_LOCAL_UNIT
from fixer.managers import CLEAN_EXITS, Limits, RunState, ServiceManager
from fixer.model.facts import Evidence
from fixer.model.service import Service, Unit

_NO_FAILURE_RESULTS = ("", "success", "exec-condition")  # values of Result= that no failed run leaves
_INACTIVE_STATES = ("inactive", "deactivating")
_ENDED_STATES = ("failed", "activating")
_UNENABLED_STATES = frozenset({"static", "linked", "linked-runtime", "enabled-runtime", "indirect"})
_BOOT_TARGETS = frozenset({"multi-user.target", "graphical.target", "default.target", "basic.target", "sysinit.target",
                     "network.target", "network-online.target"})
_LEAVING_TYPES = frozenset({"forking", "oneshot"})
_OWN_STATUSES = 200     # from here on systemd's own: it could not execute the program, and says what was lacking


class Systemd(ServiceManager):
    """What systemd says of one unit, and of the socket unit that starts it."""

    __slots__ = ("unit",)
    steps = "systemd_steps"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        assert service.unit is not None
        self.unit: Unit = service.unit

    def run_state(self) -> RunState:
        unit = self.unit
        if unit.load_state == "masked":
            return "masked"
        if unit.blocked_by:
            return "starting"
        if unit.active_state == "active":
            return "running"
        if unit.active_state == "activating":
            return "looping" if unit.sub_state == "auto-restart" or unit.n_restarts else "starting"
        if unit.active_state == "failed":
            return "stopped" if self._is_ended_by_stop() else "failed"
        if unit.active_state == "inactive" and unit.load_state == "loaded":
            # if stopped between the runs of a crash loop, it is inactive with the result of its last run
            return "stopped" if unit.result in _NO_FAILURE_RESULTS else "failed"
        return "unknown"

    def _is_ended_by_stop(self) -> bool:
        """Return whether a stop signal ended it with a clean status (Java, socat), which systemd calls a failure."""
        unit = self.unit
        return unit.result == "exit-code" and unit.exec_main_code == 1 and not unit.n_restarts and \
            unit.exec_main_status in CLEAN_EXITS

    def evidence(self) -> Evidence:
        unit = self.unit
        state, restarts = f"{unit.active_state} ({unit.sub_state})", f"NRestarts={unit.n_restarts}, "
        if unit.active_state == "active" and unit.n_restarts:      # perhaps only in the moment of the look
            times = "1 time" if unit.n_restarts == 1 else f"{unit.n_restarts} times"
            state, restarts = f"restarted {times}, now {state}", ""
        text = (
            f"{state}, Result={unit.result}, status={unit.exec_main_status}, {restarts}"
            f"{unit.unit_file_state or unit.load_state}"
        ) + (", from the journal: systemd has since reset it" if unit.is_from_journal else "")
        return Evidence("unit", unit.name, text)

    def account_name(self) -> str:
        return self.unit.user or "root"

    def started_at(self) -> float:
        return self.unit.active_enter

    def ended_at(self) -> float:
        return self.unit.inactive_enter

    def restart_count(self) -> int:
        return self.unit.n_restarts

    def exit_signal(self) -> int | None:
        unit = self.unit
        if unit.result in ("signal", "core-dump"):
            return unit.exec_main_status or None
        if unit.result == "exit-code" and unit.exec_main_status in (137, 139):  # a shell in between reports 128 + N
            return unit.exec_main_status - 128
        return None

    def has_ended(self) -> bool:
        return self.unit.active_state in _ENDED_STATES or self.unit.n_restarts > 0

    def is_stopped_after_failure(self) -> bool:
        unit = self.unit
        return unit.active_state == "inactive" and unit.result == "exit-code" and unit.exec_main_status < _OWN_STATUSES

    def is_started(self) -> bool:
        return any(unit.active_state not in _INACTIVE_STATES for unit in self._units())

    def is_started_at_boot(self) -> bool:
        return any(unit.unit_file_state.startswith("enabled") for unit in self._units())

    def _units(self) -> tuple[Unit, ...]:
        socket = self.service.socket
        return (self.unit,) if socket is None else (self.unit, socket)

    def has_trouble(self) -> bool:
        return self.unit.n_restarts > 0 or self.unit.active_state not in ("active", "inactive")

    def is_expected(self) -> bool:
        return self.unit.unit_file_state.startswith("enabled") or self.unit.active_state == "failed"

    def definition_files(self) -> tuple[str, ...]:
        return tuple(path for path in (self.unit.fragment_path, *self.unit.drop_in_paths) if path)

    def environment_files(self) -> tuple[str, ...]:
        return tuple(path.split(" ")[0].removeprefix("-") for path in self.unit.environment_files)

    def oom_evidence(self) -> Evidence | None:
        return self.evidence() if self.unit.result == "oom-kill" else None

    def may_be_killed_for_memory(self) -> bool:
        status = self.unit.exec_main_status
        return self.unit.result == "oom-kill" or 9 in {status, status - 128}

    def limits(self) -> Limits:
        unit = self.unit
        return Limits(unit.memory_max, unit.cpu_limit, unit.nofile_limit, unit.tasks_max)

    def command_text(self, verb: str) -> str:
        return f"systemctl {verb} {self.unit.name}"

    def unread_log_text(self, reason: str) -> str:
        return f"Read it: journalctl -u {self.unit.name}" if reason == "not asked" else "Read it as root"

    def is_unwatched(self) -> bool:
        """Return whether its own work was done once it had started the server (`rc-local.service`, an init script)."""
        unit, service = self.unit, self.service
        return (service.is_app_server and not service.pids and not unit.main_pid and unit.type in _LEAVING_TYPES
                and unit.result == "success" and not unit.n_restarts)

    def is_disabled(self) -> bool:
        return (self.service.socket or self.unit).unit_file_state == "disabled"

    def is_off_at_boot(self) -> bool:
        """Return whether it is disabled, or no unit that systemd has loaded pulls it in.

        An enabled unit counts only if this boot did not start it either: its target is not the one that is booted.
        """
        if self.is_disabled():
            return True
        unit = self.unit
        if self.service.socket is not None or unit.pulled_by is None or self._pulling_units():
            return False
        if unit.name == RC_LOCAL_UNIT:
            return False        # each boot pulls it in anew; until then systemd may not know of an rc.local
        if not unit.fragment_path.startswith("/") or unit.fragment_path.startswith("/run/"):     # lost at a reboot
            return False
        return unit.unit_file_state in _UNENABLED_STATES or (unit.unit_file_state == "enabled"
                                                             and self._has_never_run())

    def _pulling_units(self) -> tuple[str, ...]:
        """Return the units with which a boot may start it. A path unit does not count if the service is stopped: it has
        not triggered. Nor does a target if the service never ran, except the targets of every boot."""
        pulled = self.unit.pulled_by or ()
        if self.service.running:
            return pulled
        idle = (".path", ".target") if self._has_never_run() else (".path",)
        return tuple(name for name in pulled if name in _BOOT_TARGETS or not name.endswith(idle))

    def _has_never_run(self) -> bool:
        """Return whether it has not run since the boot, or since systemd unloaded it."""
        unit = self.unit
        return unit.active_state == "inactive" and not (unit.active_enter or unit.inactive_enter or unit.state_change)

    @property
    def is_active_without_process(self) -> bool:
        """Return whether a unit that only starts things (rc.local, an init script, a oneshot that remains) is still
        active and its processes have ended."""
        return (self.unit.active_state, self.unit.sub_state) == ("active", "exited") and not self.service.pids


MANAGER = Systemd
