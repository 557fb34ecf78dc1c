"""Processes that the kernel's OOM killer ended, from `dmesg`."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.kernel_messages import OomChoice, OomLimit, parse_kernel_line, read_oom
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.kernel import KernelLog, OomKill
from fixer.model.query import Answer, Command, ReadFile
from fixer.model.service import Service
from fixer.observe.view.node_view import ENGINE, View

KERNEL_LOG = Command("kernel-log")
UPTIME = ReadFile("/proc/uptime")
MOST_KILLS = 200
# what a server says of its workers
_WORKER_KILLED = regex(r"[Cc]hild process \[\d+\] died|was sent SIGKILL|[Oo]ut of memory|OOM")


def can_be_oom_kill(service: Service) -> bool:
    """Return whether the OOM killer could have ended the service or one of its workers."""
    manager, lines = manager_of(service), service.log.or_else(())
    return manager.may_be_killed_for_memory() or (manager.limits().memory > 0 and (
        service.running or any(_WORKER_KILLED.search(line.text) for line in lines)))


def kernel_log_of(view: View) -> KernelLog:
    """Return the kernel log, or Unknown with the reason why it was not read."""
    answer = view.node.answers.get(KERNEL_LOG)
    if answer is None:
        return KernelLog(view.name, Unknown("not asked"))
    boot = _boot_time(view)
    if answer.status != "ok" or isinstance(boot, Unknown):
        why = boot.reason if isinstance(boot, Unknown) else answer.message or answer.status
        return KernelLog(view.name, Unknown(f"kernel log of {view.name}: {why}"))
    return KernelLog(view.name, Known(tuple(_parse_kills(answer, boot.value))[-MOST_KILLS:]))


def _boot_time(view: View) -> Fact[float]:
    if view.name != ENGINE:
        return view.process_table.boot_at
    seconds = (view.data(UPTIME.path) or b"").split(b" ")[0].decode("ascii", "replace")
    try:
        return Known(view.node.now - float(seconds))
    except ValueError:
        return Unknown("its uptime could not be read")


def _parse_kills(answer: Answer, boot: float) -> Iterator[OomKill]:
    """Yield each kill, with the cgroup and limit of the lines before it. Of many kills at once the kernel prints the
    last line alone."""
    groups: dict[int, tuple[str, str, int]] = {}
    reached = 0
    for raw in answer.data.decode("utf-8", "replace").splitlines():
        line = parse_kernel_line(raw)
        said = read_oom(line.text) if line is not None else None
        if isinstance(said, OomLimit):
            reached = said.size
        elif isinstance(said, OomChoice):
            groups[said.pid] = (said.cgroup, said.limit, reached if said.limit else 0)
            reached = 0
        elif line is not None and said is not None:
            cgroup, limit, size = groups.pop(said.pid, ("", "", 0))
            yield OomKill(boot + line.seconds, cgroup, limit, said.pid, said.name, line.text, size)
