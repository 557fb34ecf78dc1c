"""Control of the machine's parts through their service manager: systemd or supervisord."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.scenario.scenario_file import Role
from lab.stack.docker_command import FinishedCommand
from lab.stack.running_lab import Lab

SUPERVISORCTL = ("supervisorctl", "-c", "/etc/supervisor/supervisord.conf")
_ENDED_STATES = ("FATAL", "EXITED", "STOPPED")


def manager_of(lab: Lab, role: Role) -> str:
    """Return the manager of a part; the second site and nginx are always units."""
    return lab.deployment.manager if role == "backend" else "systemd"


def units_of(lab: Lab, role: Role) -> list[str]:
    """Return its units: several instances if there are any, and the socket that starts it first."""
    unit = lab.unit(role)
    if role != "backend":
        return [unit]
    socket = [f"{unit}.socket"] if lab.deployment.activation else []
    mate = lab.deployment.mate_unit
    return [*socket, f"{unit}.service", *([mate] if mate else [])]


def start(lab: Lab, role: Role, *, check: bool = True) -> None:
    """Start what is stopped."""
    manager = manager_of(lab, role)
    if manager == "supervisord":
        lab.run_in("web", [*SUPERVISORCTL, "start", lab.unit(role)], check=check)
    elif manager == "rc.local":
        lab.run_in("web", ["systemctl", "restart", "rc-local.service"], check=check)
    elif manager == "init.d":  # a start does nothing if the unit counts as active
        lab.run_in("web", ["systemctl", "restart", f"{lab.unit(role)}.service"], check=check)
    elif manager == "nohup":
        user, home = lab.deployment.user, lab.deployment.home
        words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", f"{home}/start.sh"]
        lab.run_in("web", words, check=check)
    else:
        lab.run_in("web", ["systemctl", "start", *units_of(lab, role)], check=check)


def stop(lab: Lab, role: Role) -> None:
    """Stop it through its manager."""
    manager = manager_of(lab, role)
    if manager == "supervisord":
        lab.run_in("web", [*SUPERVISORCTL, "stop", lab.unit(role)])
    elif manager in ("rc.local", "nohup", "init.d"):
        _signal_and_wait(lab, "TERM")
    else:
        lab.run_in("web", ["systemctl", "stop", *units_of(lab, role)])


def restart(lab: Lab, role: Role, *, check: bool = True) -> None:
    """Let it read its files again and restart."""
    manager = manager_of(lab, role)
    if manager == "supervisord":
        before = _pid(lab, role)
        lab.run_in("web", [*SUPERVISORCTL, "update"], check=check)
        if _pid(lab, role) in ("", "0", before):
            lab.run_in("web", [*SUPERVISORCTL, "restart", lab.unit(role)], check=check)
    elif manager in ("rc.local", "nohup", "init.d"):
        _signal_and_wait(lab, "TERM")
        start(lab, role, check=check)
    else:
        lab.run_in("web", ["systemctl", "daemon-reload"])
        if lab.deployment.activation and role == "backend":
            lab.run_in("web", ["systemctl", "stop", *units_of(lab, role)])
        lab.run_in("web", ["systemctl", "restart", *units_of(lab, role)], check=check)


def _signal_and_wait(lab: Lab, signal: str) -> None:
    """Signal processes that were started by hand, and wait until they end."""
    script = ('for n in 1 2 3 4 5 6 7 8 9 10; do pkill -"$1" -u "$2" -f "$3" || exit 0; '
              'for m in 1 2 3 4 5 6 7 8 9 10; do pgrep -u "$2" -f "$3" >/dev/null || exit 0; sleep 0.2; done; done')
    lab.run_in("web", ["sh", "-c", script, "sh", signal, lab.deployment.user, lab.deployment.target])


def kill(lab: Lab, role: Role) -> None:
    """KILL all its processes, without its manager."""
    if manager_of(lab, role) in ("rc.local", "nohup"):
        _signal_and_wait(lab, "KILL")
    elif manager_of(lab, role) == "supervisord":
        lab.run_in("web", ["sh", "-c", 'kill -9 $(ps -o pid= --pid "$1" --ppid "$1")', "sh", _pid(lab, role)])
    else:
        lab.run_in("web", ["systemctl", "kill", "--signal=KILL", f"{lab.unit(role)}.service"])


def has_ended(lab: Lab, role: Role, *, once: bool) -> bool:
    """Return whether it is down and nothing will start it again; with `once`, whether it ended at least once."""
    return _HAS_ENDED[manager_of(lab, role)](lab, role, once)


def has_program_ended(lab: Lab, program: str, *, once: bool) -> bool:
    """Return the same of a program of supervisord, by the name that supervisorctl knows."""
    shown: FinishedCommand = lab.run_in("web", [*SUPERVISORCTL, "status", program], check=False)
    state = [*shown.text.split(), "", ""][1]
    return state in _ENDED_STATES or (once and state == "BACKOFF") or (once and _has_exited(lab, program))


def _pid(lab: Lab, role: Role) -> str:
    return lab.run_in("web", [*SUPERVISORCTL, "pid", lab.unit(role)], check=False).text.strip()


def _has_unit_ended(lab: Lab, role: Role, once: bool) -> bool:
    shown = lab.run_in("web", ["systemctl", "show", "-p", "ActiveState,NRestarts", "--value", lab.unit(role)]).text
    words = shown.split()
    return any(word in ("failed", "inactive") for word in words) or (once and "0" not in words)


def _has_program_ended(lab: Lab, role: Role, once: bool) -> bool:
    return has_program_ended(lab, lab.unit(role), once=once)


def _has_exited(lab: Lab, program: str) -> bool:
    log = "/var/log/supervisor/supervisord.log"
    script = f'tac {log} | sed "/supervisord started/q" | grep -q "exited: $1 (.*not expected"'
    return lab.run_in("web", ["sh", "-c", script, "sh", program.rpartition(":")[2]], check=False).code == 0


def _has_process_ended(lab: Lab, role: Role, once: bool) -> bool:
    words = ["pgrep", "-u", lab.deployment.user, "-f", lab.deployment.target]
    return lab.run_in("web", words, check=False).code != 0


_HAS_ENDED: Mapping[str, Callable[[Lab, Role, bool], bool]] = {
    "systemd": _has_unit_ended, "supervisord": _has_program_ended, "rc.local": _has_process_ended,
    "nohup": _has_process_ended,
    "init.d": _has_process_ended}
