"""A container as a node: asked through `docker exec`, probed from its network, changed only if it is a machine."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from functools import partial

from fixer.errors import NeedsPerson, Unreachable
from fixer.hosts.docker_engine import distroless, docker_cli
from fixer.hosts.docker_engine.docker_cli import CommandRunner, Docker, Inspected
from fixer.hosts.machine import run_process
from fixer.hosts.machine.look_budget import cleanup
from fixer.hosts.machine.probe_protocol import probe_inside
from fixer.hosts.sh.command_shell import CommandShell
from fixer.hosts.sh.lasting_shell import LastingShell
from fixer.hosts.sh.run_command import CLOCK_FRAME, unwrap_result
from fixer.hosts.sh.sh_asker import MAX_ROUND_BYTES, ShAsker
from fixer.hosts.sh.sh_files import ShFiles
from fixer.lazy.regex import regex, up_to_first
from fixer.model.host import CommandResult, Files, NodeClock
from fixer.model.query import Answer, Probe, Query
from fixer.model.target import NodeKind

# messages of runc and crun for a missing program; a container that just ended has no `/proc/…/ns` either
_NO_SHELL = regex(
    up_to_first(r"executable file\b") + r".*\bnot found|exec:? \"[^\"]*\": stat [^:]*: no such file or directory|"
    r"exec /\S+: no such file or directory", re.IGNORECASE)

_EXEC_REFUSED = regex(
    r"(?m:^)(?>.*Error response from daemon: )(?!.*(?:is not running|is paused|[Nn]o such container))|"
    r"OCI runtime exec failed: ")


def is_shell_missing(said: str) -> bool:
    """Return whether Docker reports that the container has no such program, not that it has ended."""
    return bool(_NO_SHELL.search(said))


def is_exec_refused(said: str) -> bool:
    """Return whether Docker refuses to start another program there, though the container may run.
    Reasons: a link to a missing container, a process limit that is reached."""
    return bool(_EXEC_REFUSED.search(said))


def docker_exec_prefix(container: str, *, stdin: bool = True) -> tuple[str, ...]:
    """Return `docker exec` as root in /, whatever the image's user and even if its WORKDIR is deleted."""
    return tuple(docker_cli.docker_argv("exec", *(("-i",) if stdin else ()), "-u", "0", "-w", "/", container))


def namespace_prefix(pid: int) -> tuple[str, ...]:
    """Return a prefix that runs this machine's programs in a container's network and process namespaces.
    It mounts a /proc that shows these, in a private mount namespace."""
    mounted = 'mount -t proc proc /proc && exec "$@"'
    return ("nsenter", "-t", str(pid), "-n", "-p", "--", "unshare", "-m", "sh", "-c", mounted, "sh")


def kill_group(container: str, pid: int, run: CommandRunner | None = None) -> None:
    """Kill what a `docker exec` left: killing its client does not end the command."""
    words = ("sh", "-c", 'kill -s KILL -- "-$1" || kill -s KILL "$1"', "sh", str(pid))
    with cleanup():
        (run or run_process.run)((*docker_exec_prefix(container, stdin=False), *words), timeout=10)


def _docker_exec_argv(container: str, words: Sequence[str]) -> tuple[str, ...]:
    return (*docker_exec_prefix(container), *words)


class ContainerAsker:
    """Asker for a container. One that does not run is never started: it is `Unreachable`, with its status.
    The files of a stopped nginx, and of the container that the target names (`meant`), are read all the same: they show
    why and where it should run."""

    def __init__(self, name: str, item: Inspected, docker: Docker = docker_cli.docker, *, meant: bool = False) -> None:
        self.name = name
        self._meant = meant or docker_cli.may_run_nginx(item)
        self._docker = docker
        self.kind: NodeKind = "machine" if docker_cli.is_machine(item) else "container"
        self._container = docker_cli.name_of(item)
        self._id = str(item.get("Id", ""))
        self._item = item
        self._box = distroless.ShelllessContainer(self._container, docker)
        self._lasting = LastingShell((*docker_exec_prefix(self._container), "sh", "-s"))
        self._sh = ShAsker(name, self.kind, self._shell, whole=True)
        self._shellless = False

    def clock(self) -> NodeClock:
        """Return the container's clock and time zone; ours if it has no shell."""
        return distroless.clock() if self._shellless else self._sh.clock()

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        """Run one round through its shell, with probes in parallel from its network namespace if possible.
        Retry if the container ends meanwhile (it may restart again and again)."""
        for again in (True, True, False):
            try:
                return self._ask(queries)
            except Unreachable as error:
                if docker_cli.status_of(self._item) != "running":
                    raise
                if not again:
                    if self._meant:
                        break
                    raise
                found = docker_cli.inspect([self._id], self._docker)
                if not found:
                    raise
                runs_on = docker_cli.pid_of(found[0]) == docker_cli.pid_of(self._item) > 0
                self._item = found[0]
                if runs_on and is_exec_refused(error.message):
                    self._shellless = True
                    return distroless.answer_without_shell(self._box, self._pid_here(), queries)
        self._shellless = True
        return distroless.answer_stopped_container(self._box, "restarting", queries)

    def _ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        status = docker_cli.status_of(self._item)
        if status != "running":
            if status == "paused" or not self._meant:
                raise Unreachable(f"container {self._container} is {status}")
            self._shellless = True
            if docker_cli.has_new_mount_points(self._item, is_here=self._docker.remote_runner is None):
                return distroless.answer_unstarted_container(queries)
            return distroless.answer_stopped_container(self._box, status, queries)
        entered = _NamespaceProbes([q for q in dict.fromkeys(queries) if isinstance(q, Probe)], self._pid_here())
        rest = [q for q in queries if not (entered.works and isinstance(q, Probe))]
        answers: dict[Query, Answer] = {}
        if rest or not queries:
            answers.update(self._ask_inside(rest))
            answers.update(distroless.packet_filter_answers(rest, answers, self._pid_here()))
        probed = entered.result()
        if probed is None and entered.works:
            probed = self._ask_inside([q for q in queries if isinstance(q, Probe)])
        return answers | dict(probed or {})

    def _pid_here(self) -> int:
        """Return its first process on this machine; 0 if the daemon is elsewhere or we may not enter."""
        pid = docker_cli.pid_of(self._item) if self._docker.remote_runner is None else 0
        return pid if os.geteuid() == 0 and docker_cli.runs_here(pid, self._id) else 0

    def _ask_inside(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        if not self._shellless:
            try:
                return self._sh.ask(queries)
            except Unreachable as error:
                if not is_shell_missing(error.message):
                    raise
                self._shellless = True
        return distroless.answer_without_shell(self._box, self._pid_here(), queries)

    def _shell(self, script: bytes, timeout: float) -> CommandResult:
        if self._docker.remote_runner is None:
            result = self._lasting.run(script, timeout=timeout, max_output=MAX_ROUND_BYTES)
        else:
            words = (*docker_exec_prefix(self._container), "sh", "-s")
            result = self._docker.run(words, stdin=script, timeout=timeout, max_output=MAX_ROUND_BYTES)
        if result.missing:
            raise Unreachable("docker is not installed here")
        if result.timed_out and (began := CLOCK_FRAME.search(result.stdout)):
            kill_group(self._container, int(began[1]), self._docker.run)
        return result


class _NamespaceProbes:
    """Probes that run from a container's namespaces, if they can be entered."""

    def __init__(self, probes: Sequence[Probe], pid: int) -> None:
        self.works = bool(probes) and pid > 0
        self._found: Mapping[Query, Answer] | None = None
        self._thread = threading.Thread(target=self._work, args=(probes, pid), daemon=True)
        if self.works:
            self._thread.start()

    def _work(self, probes: Sequence[Probe], pid: int) -> None:
        self._found = probe_inside(probes, pid)

    def result(self) -> Mapping[Query, Answer] | None:
        """Return the outcomes; None if there were no probes."""
        if self.works:
            self._thread.join()
        return self._found


class ContainerWriter:
    """Writer for a container. Its files may be changed only if it is a machine."""

    def __init__(self, name: str, item: Inspected) -> None:
        self.name = name
        self._container = docker_cli.name_of(item)
        self._machine = docker_cli.is_machine(item)
        self._files: ShFiles | None = None
        self._commands = CommandShell(docker_exec_prefix(self._container))
        self._shellless = False

    @property
    def files(self) -> Files:
        """Return the files of a machine; raise `NeedsPerson` for other containers, whose layer is lost with them."""
        if not self._machine:
            raise NeedsPerson(
                f"a change inside container {self._container} would be lost when the container is recreated",
                "change its mounted files on the host, its image or its compose file instead",
            )
        if self._files is None:
            self._files = ShFiles(partial(_docker_exec_argv, self._container))
        return self._files

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        """Run a command inside; separate its exit code from docker's."""
        if not self._shellless:
            nonce = os.urandom(16).hex()
            result = self._commands.run(argv, nonce, stdin=stdin, timeout=timeout)
            kill = partial(kill_group, self._container)
            try:
                return unwrap_result(self._container, nonce.encode(), result, argv=tuple(argv), kill=kill)
            except Unreachable as error:
                if not is_shell_missing(error.message):
                    raise
                self._shellless = True
        return self._run_without_shell(argv, stdin, timeout)

    def _run_without_shell(self, argv: Sequence[str], stdin: bytes, timeout: float) -> CommandResult:
        """Run its own programs as they are. Scripts about processes and sockets run in this machine's shell,
        in the container's namespaces."""
        if argv[0] == "sh" or (argv[0] == "cat" and all(word.startswith("/proc/") for word in argv[1:])):
            found = docker_cli.inspect([self._container])
            pid = docker_cli.pid_of(found[0]) if found else 0
            if os.geteuid() != 0 or not docker_cli.runs_here(pid, str(found[0].get("Id", ""))):
                raise NeedsPerson(f"container {self._container} has no shell, and fixer cannot observe it from here",
                                  "run fixer as root on the Docker host")
            return run_process.run((*namespace_prefix(pid), *argv), stdin=stdin, timeout=timeout)
        result = run_process.run((*docker_exec_prefix(self._container), *argv), stdin=stdin, timeout=timeout)
        said = (result.stderr + result.stdout).decode(errors="replace")  # docker uses either stream
        if result.returncode in (126, 127) and is_shell_missing(said):
            return CommandResult(tuple(argv), None, b"", said.encode(), missing=True)
        return result

    def close(self) -> None:
        """End the shells that change files and run commands."""
        self._commands.close()
        if self._files is not None:
            self._files.close()
