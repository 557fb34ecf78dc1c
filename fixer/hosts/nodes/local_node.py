"""The node `local`: this machine, with a prefetch that runs while the program is still importing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fixer.errors import Unreachable
from fixer.hosts.machine import early_processes, prefetch, procfs, query_commands, read_files
from fixer.hosts.machine.prefetch import SLOWEST_COMMAND, Prefetched, pending_answers
from fixer.hosts.machine.procfs import read_clock
from fixer.hosts.machine.trusted_files import is_trusted
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.host import CommandResult, Files, NodeClock
from fixer.model.query import Answer, Command, ListProcesses, ListSockets, Probe, Query, ReadFile, ReadGlob, ReadTree
from fixer.model.target import NodeKind

with lazy_imports():
    from fixer.hosts.docker_engine.engine_answers import answer_docker  # only for machines with containers
    from fixer.hosts.machine import run_process  # subprocess costs 5 ms and file queries do not need it
    from fixer.hosts.machine.local_files import LocalFiles  # only repairs need it
    from fixer.hosts.machine.probe_protocol import probe_here  # json and sockets only for probes


def start_prefetch(command: Command = SLOWEST_COMMAND) -> None:
    """Start to ask this machine. Only for a process's first observation, immediately before it."""
    early_processes.start()
    pending_answers[command] = Prefetched(lambda: answer_command(command))


class LocalAsker:
    """Asker for this machine. Commands and probes run in parallel with file reads, each with its own limit."""

    kind: NodeKind = "machine"

    def __init__(self, name: str = "local") -> None:
        self.name = name
        self._clock: NodeClock | None = None

    def clock(self) -> NodeClock:
        """Return the clock as read at the start of the last `ask`, or with the time since the boot."""
        return self._clock or read_clock()

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        """Return every query with its answer."""
        self._clock = read_clock()
        answers: dict[Query, Answer] = {}
        asked = [q for q in dict.fromkeys(queries) if isinstance(q, Command)]
        probes = [q for q in dict.fromkeys(queries) if isinstance(q, Probe)]
        threads = [_start_thread(partial(_store_answer, answers, command)) for command in asked]
        if probes:
            threads.append(_start_thread(lambda: answers.update(probe_here(probes))))
        readings = [query for query in queries if not isinstance(query, Command | Probe)]
        if early_processes.is_reading():  # meanwhile the others
            readings.sort(key=lambda query: isinstance(query, ListProcesses))
        for query in readings:
            if query not in answers:
                if early_processes.is_reading() and isinstance(query, ListProcesses):
                    self._clock = read_clock()
                answers[query] = answer_reading(query)
        for thread in threads:
            thread.join()
        return {query: answers.get(query, Answer("failed", message="no answer")) for query in queries}


def _store_answer(answers: dict[Query, Answer], command: Command) -> None:
    answers[command] = prefetch.prefetched_answer(command) or answer_command(command)


def _start_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def answer_reading(query: ReadFile | ReadGlob | ReadTree | ListProcesses | ListSockets) -> Answer:
    """Answer a query that only reads files."""
    match query:
        case ReadFile():
            return read_files.answer_file(query)
        case ReadGlob():
            return read_files.answer_glob(query)
        case ReadTree():
            return read_files.answer_tree(query)
        case ListProcesses():
            return procfs.list_processes(early_processes.take())
        case ListSockets():
            return procfs.list_sockets()


def _answer_engine(command: Command) -> Answer:
    """Ask this machine's docker, if any, about a container."""
    try:
        return answer_docker(command)
    except Unreachable as error:
        return Answer("failed", message=error.message)


def answer_command(command: Command) -> Answer:
    """Answer a command query on this machine."""
    if command.name == "ip-addresses":
        tables = [read_files.read_path(f"/proc/net/{name}", 1 << 22).data for name in ("fib_trie", "if_inet6")]
        return Answer("ok", query_commands.own_addresses(*tables))
    if command.name == "docker-container":  # asked only to name the right target if nginx is in a container
        return _answer_engine(command)
    runs = query_commands.commands_for(command)
    if runs is None:
        return query_commands.refused_answer(command)
    if query_commands.needs_systemd(command) and not os.path.isdir("/run/systemd/system"):
        return Answer("no-tool", message="systemd is not running here")
    if any(run.trusted and not is_trusted(run.trusted) for run in runs):
        return Answer("denied", message=f"users other than root can change {runs[0].trusted}; fixer does not run it")
    results: list[CommandResult | None] = [None] * len(runs)

    def work(index: int) -> None:
        results[index] = _run_query_command(runs[index])

    threads = [_start_thread(partial(work, i)) for i in range(1, len(runs))]
    if runs:
        work(0)
    for thread in threads:
        thread.join()
    done = [result for result in results if result is not None]
    return query_commands.resolve_answer(command.args,
                                         done) if command.name == "resolve" else query_commands.answer_of(done)


def _run_query_command(run: query_commands.QueryCommand) -> CommandResult:
    result = run_process.run(run.argv, timeout=run.timeout, max_output=query_commands.MOST_OUTPUT)
    if run.older and result.returncode == query_commands.REFUSED_OPTION:
        return run_process.run(run.older, timeout=run.timeout, max_output=query_commands.MOST_OUTPUT)
    return result


class LocalWriter:
    """Writer for this machine."""

    def __init__(self, name: str = "local") -> None:
        self.name = name

    @property
    def files(self) -> Files:
        """Return the files of this machine."""
        return LocalFiles()

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        """Run a command here."""
        return run_process.run(argv, stdin=stdin, timeout=timeout)
