"""Steps on nginx: test, reload with proof, start and stop."""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Container, Mapping

from fixer.apply.steps.node_access import Runner, error_text
from fixer.apply.steps.process_step import ProcessEntry, end_process, read_process_table, send_signal, wait_until
from fixer.apply.steps.start_marks import LEFT_RUNNING_NOTE, StepStart
from fixer.errors import Conflict, StepFailed, Unreachable
from fixer.formats.process_table import TICKS_PER_SECOND
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex, up_to_first
from fixer.model.host import CommandResult
from fixer.model.plan import CheckNginx, ReloadNginx, StartNginx
from fixer.nginx.command_line import command_in_title
from fixer.observe.nginx.nginx_masters import instance_of_command

_PROOF_SECONDS = 15.0
_SIGNAL_SECONDS = 1.0  # seconds; a worker with an open channel obeys its master at once
_TITLES_SCRIPT = 'for p; do printf "\\n%s " "$p"; tr "\\0\\n" "  " < "/proc/$p/cmdline"; done 2>/dev/null'
# The program of each process, or `inside` for one in a container, which has PIDs of its own.
_PROGRAMS_SCRIPT = ('o=$(readlink /proc/self/ns/pid); for p; do n=$(readlink "/proc/$p/ns/pid"); '
             '[ "${n:-$o}" = "$o" ] || { printf "%s inside\\n" "$p"; continue; }; '
             'l=$(readlink "/proc/$p/exe") && printf "%s %s\\n" "$p" "$l"; done 2>/dev/null')
_TITLE = regex(rb"(?m)^(\d+) (nginx: .*)$")
_TAIL_LIMIT = 1 << 20
_COMM_LENGTH = 15
_NAMED_FILE = regex(up_to_first(" in (?=/)") + r"(/.*):\d+$")
_CONTAINER_STOPPED = regex(r"[Cc]ontainer \S+ is (?:not running|restarting)")
_SELF_PATH = "/proc/self/."  # `/proc/self` alone is a link owned by root


class ConfigRefused(StepFailed):
    """`nginx -t` rejects the configuration."""


class NginxNotRunning(StepFailed):
    """No master runs that could reload."""


def check_config(step: CheckNginx | ReloadNginx | StartNginx, runner: Runner) -> None:
    """Run `nginx -t`; raise ConfigRefused with nginx's error text."""
    if isinstance(step, ReloadNginx):
        _require_root_nginx(step, runner)
    try:
        result = runner.run([*_nginx_command(step), "-t"], timeout=60.0)
    except Unreachable as error:
        if not _CONTAINER_STOPPED.search(error.message):
            raise
        raise StepFailed(f"nginx's container is not running, so its configuration cannot be tested: {error.message}") \
            from error
    if result.returncode != 0:
        raise ConfigRefused(f"nginx refuses the configuration: {_emergency_text(result)}")


def _require_root_nginx(step: ReloadNginx, runner: Runner) -> None:
    """On a machine, raise StepFailed if fixer is root and nginx is not.
    Root's `nginx -t` loads modules, and creates and chowns folders, as the configuration says."""
    asked = runner.run(["stat", "-c", "%u", f"/proc/{step.master_pid}", _SELF_PATH, "/proc/1"])
    owners = asked.stdout.split()
    if len(owners) == 3 and owners[0] != owners[1] == b"0" == owners[2]:
        uid = _uid_of_current_master(step, runner, owners[0])
        if uid not in (None, "0"):
            raise StepFailed(f"nginx runs as uid {uid}, not as root: run fixer as that user")


def _uid_of_current_master(step: ReloadNginx, runner: Runner, planned: bytes) -> str | None:
    """Return the uid of the master that a reload would reach; after a reboot another process may have the planned PID.
    None if none runs; "unknown" if it cannot be read, which does not count as root."""
    try:
        master = find_master(step, runner)
    except NginxNotRunning:
        return None
    if master.pid == step.master_pid:
        return planned.decode()
    words = runner.run(["stat", "-c", "%u", f"/proc/{master.pid}"]).stdout.split()
    return words[0].decode() if words else "unknown"


def _nginx_command(step: CheckNginx | ReloadNginx | StartNginx) -> list[str]:
    return [step.binary, *(("-c", step.conf_path, "-p", step.prefix) if step.explicit else ())]


def age_of_refused_file(error: ConfigRefused, runner: Runner, ours: Container[str]) -> float | None:
    """Return the seconds since the file that nginx names last changed; None if it names none, or one of `ours`."""
    named = _NAMED_FILE.search(error.message)
    if named is None or named[1] in ours:
        return None
    output = runner.run(["sh", "-c", 'stat -L -c %Z "$1" && date +%s && readlink -f "$1"', "sh", named[1]]).stdout
    lines = output.decode("utf-8", "surrogateescape").splitlines()
    if len(lines) != 3 or lines[2] in ours:  # nginx names the link, a step the file
        return None
    return float(lines[1]) - float(lines[0])


def _emergency_text(result: CommandResult) -> str:
    for line in result.stderr.decode("utf-8", "replace").splitlines():
        if "[emerg]" in line:
            return line.partition("[emerg]")[2].strip()
    return error_text(result)


def reload_nginx(step: ReloadNginx, runner: Runner) -> None:
    """Test, signal, and check for new workers without an [emerg] of that master. An exit code proves nothing."""
    check_config(step, runner)
    master = find_master(step, runner)
    old = _children(runner, master)
    log = LogMark.set(runner, step.error_log)
    if not send_signal(runner, master.pid, master.start_ticks, "HUP"):
        raise NginxNotRunning("nginx has ended")
    if not wait_until(lambda: _has_reload_ended(runner, master, old, log), _PROOF_SECONDS):
        raise StepFailed(f"nginx started no new worker within {_PROOF_SECONDS:g} s of the reload")
    if not _children(runner, master) - old:
        reasons = [*log.emergencies(runner, master.pid), "its new workers ended at once"]
        raise StepFailed(f"nginx did not apply the configuration: {reasons[0]}")
    _stop_deaf_workers(runner, master, old)


def undo_reload(step: ReloadNginx, runner: Runner) -> str:
    """Reload; return what was done. A limit of open files that the repair raised may be too low for the workers of a
    reload, and enough for those of a start: the unit of an nginx that is left without workers is restarted."""
    try:
        reload_nginx(step, runner)
    except (ConfigRefused, NginxNotRunning):
        raise
    except StepFailed:
        unit = _unit_without_workers(step, runner)
        if not unit or runner.run(["systemctl", "restart", unit], timeout=90.0).returncode != 0:
            raise
        return f"restarted {unit}: a reload left it without workers"
    return "reloaded nginx"


def _unit_without_workers(step: ReloadNginx, runner: Runner) -> str:
    """Return the systemd unit of the running master, empty if it has none, or a worker that serves visitors."""
    master = find_master(step, runner)
    if _active_workers(runner, [pid for pid, _ in _children(runner, master)]):
        return ""
    groups = runner.run(["cat", f"/proc/{master.pid}/cgroup"]).stdout.decode("utf-8", "surrogateescape")
    names = (line.rpartition("/")[2] for line in groups.splitlines() if "/system.slice/" in line)
    return next((name for name in names if name.endswith(".service")), "")


def _stop_deaf_workers(runner: Runner, master: ProcessEntry, old: set[tuple[int, int]]) -> None:
    """Signal old workers that do not receive their master's messages.
    A worker at its open-file limit closes the channel and serves the old configuration for ever."""
    deaf: list[tuple[int, int]] = []

    def all_know() -> bool:
        left = sorted(old & _children(runner, master))
        deaf[:] = [worker for worker in left if worker[0] in _active_workers(runner, [pid for pid, _ in left])]
        return not deaf

    if not wait_until(all_know, _SIGNAL_SECONDS):
        for pid, start_ticks in deaf:
            send_signal(runner, pid, start_ticks, "QUIT")


def _active_workers(runner: Runner, pids: list[int]) -> set[int]:
    """Return the processes titled as workers that do not shut down."""
    shown = runner.run(["sh", "-c", _TITLES_SCRIPT, "sh", *map(str, pids)]).stdout if pids else b""
    return {int(pid) for pid, title in _TITLE.findall(shown) if b"worker process" in title and b"shutting" not in title}


def _has_reload_ended(runner: Runner, master: ProcessEntry, old: set[tuple[int, int]], log: LogMark) -> bool:
    """Return whether new workers run, or nginx has given up.
    For a busy port nginx logs an [emerg] for each of five tries, 500 ms apart, then `still could not bind()`. Until
    then it may succeed, and handles a second signal only afterwards."""
    if _children(runner, master) - old:
        return True
    return any(not line.startswith("bind() to ") for line in log.emergencies(runner, master.pid))


def find_master(step: ReloadNginx, runner: Runner) -> ProcessEntry:
    """Return the planned master, or after a restart the only one that reads the same configuration."""
    name = posixpath.basename(step.binary)[:_COMM_LENGTH]
    table = read_process_table(runner)
    masters = {e.pid: e for e in table.values() if e.comm == name and _is_master(e, table)}
    if list(masters) == [step.master_pid]:
        return masters[step.master_pid]
    if not masters:
        raise NginxNotRunning("nginx is not running, so there is nothing to reload")
    theirs = _main_files(step, runner, list(masters))
    ours = [entry for pid, entry in masters.items() if theirs.get(pid, step.conf_path) == step.conf_path]
    if not ours:
        raise NginxNotRunning(f"no running nginx reads {step.conf_path}, so there is nothing to reload")
    candidates = [entry for entry in ours if entry.pid == step.master_pid] or ours
    if len(candidates) > 1:
        raise StepFailed(f"nginx master {step.master_pid} has ended, and {len(candidates)} other masters may be its "
                         "replacement")
    return candidates[0]


def _main_files(step: ReloadNginx, runner: Runner, masters: list[int]) -> dict[int, str]:
    """Return the main file of each master, by its title; an empty path if the master is in a container.
    A master without a title is left out."""
    shown = runner.run(["sh", "-c", _TITLES_SCRIPT, "sh", *map(str, masters)]).stdout
    linked = runner.run(["sh", "-c", _PROGRAMS_SCRIPT, "sh", *map(str, masters)]).stdout.decode("utf-8",
                                                                                                "surrogateescape")
    programs = dict(line.split(" ", 1) for line in linked.splitlines() if " " in line)
    found = {}
    for pid, title in _TITLE.findall(shown):
        words = command_in_title(title.decode("utf-8", "surrogateescape"))
        program = programs.get(pid.decode(), "").removesuffix(" (deleted)") or step.binary
        if program == "inside":
            found[int(pid)] = ""
        elif words:
            found[int(pid)] = instance_of_command([program, *words[1:]]).conf
    return found


def youngest_process(step: ReloadNginx, runner: Runner) -> int | None:
    """Return the PID of that nginx's youngest process (master or worker): each start or reload makes new ones."""
    try:
        master = find_master(step, runner)
    except StepFailed:
        return None
    began = {(master.start_ticks, master.pid), *((ticks, pid) for pid, ticks in _children(runner, master))}
    return max(began)[1]


def _is_master(entry: ProcessEntry, table: Mapping[int, ProcessEntry]) -> bool:
    parent = table.get(entry.ppid)
    return entry.state != "Z" and (parent is None or parent.comm != entry.comm)


def _children(runner: Runner, master: ProcessEntry) -> set[tuple[int, int]]:
    return {(e.pid, e.start_ticks) for e in read_process_table(runner).values() if e.ppid == master.pid
            and e.state != "Z"}


@dataclass(frozen=True, slots=True)
class LogMark:
    """The size of the error log at one time; -1 if it cannot be read again (stderr, syslog, a pipe)."""

    path: str
    size: int

    @classmethod
    def set(cls, runner: Runner, path: str) -> LogMark:
        """Return the mark of the log's present end."""
        if not path.startswith("/"):
            return cls(path, -1)
        words = runner.run(["stat", "-L", "-c", "%f %s", path]).stdout.split()
        if len(words) != 2 or not stat.S_ISREG(int(words[0], 16)):
            return cls(path, -1)
        return cls(path, int(words[1]))

    def emergencies(self, runner: Runner, master_pid: int) -> list[str]:
        """Return the [emerg] lines of that master since. Match from the line start: visitors can write the rest."""
        if self.size < 0:
            return []
        data = runner.run(["tail", "-c", f"+{self.size + 1}", self.path]).stdout[-_TAIL_LIMIT:]
        line = re.compile(rb"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[emerg\] %d#\d+: (.*)$" % master_pid, re.MULTILINE)
        return [text.decode("utf-8", "replace") for text in line.findall(data)]


def start_nginx(step: StartNginx, runner: Runner) -> str:
    """Start nginx; return `pid start_ticks` of the new master, for undo."""
    check_config(step, runner)
    name = posixpath.basename(step.binary)[:_COMM_LENGTH]
    before = set(read_process_table(runner))
    result = runner.run(_nginx_command(step), timeout=30.0)
    if result.returncode != 0:
        raise StepFailed(f"nginx did not start: {_emergency_text(result)}")
    found: list[ProcessEntry] = []

    def is_up() -> bool:
        table = read_process_table(runner)
        masters = [e for e in table.values() if e.comm == name and e.pid not in before and _is_master(e, table)]
        found[:] = [m for m in masters if any(e.ppid == m.pid for e in table.values())]
        return bool(found)

    if not wait_until(is_up, _PROOF_SECONDS):
        raise StepFailed("nginx ended right after its start")
    return f"{found[0].pid} {found[0].start_ticks}"


def quit_started_master(step: StartNginx, runner: Runner, started: StepStart) -> bool:
    """Stop the master that a start created; False if it has ended. Without its PID nginx uses its pid file."""
    words = started.mark.split()
    if len(words) == 2:
        return end_process(runner, int(words[0]), int(words[1]), "QUIT", 10.0)
    name = posixpath.basename(step.binary)[:_COMM_LENGTH]
    table = read_process_table(runner)
    now = max((e.start_ticks for e in table.values()), default=0)  # start time of the process that printed the table
    masters = [e for e in table.values() if e.comm == name and _is_master(e, table)]
    if masters and all(started.is_anothers((now - e.start_ticks) / TICKS_PER_SECOND) for e in masters):
        raise Conflict(f"nginx {LEFT_RUNNING_NOTE}")
    return runner.run([*_nginx_command(step), "-s", "quit"]).returncode == 0
