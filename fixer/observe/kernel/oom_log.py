"""Processes that the kernel's OOM killer ended, from `dmesg`."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Answer, Command, ReadFile
from fixer.model.service import Service
from fixer.model.snapshot import KernelLog, OomKill
from fixer.observe.view.node_view import ENGINE, View

KERNEL_LOG = Command("kernel-log")
UPTIME = ReadFile("/proc/uptime")
MOST_KILLS = 200
_STAMP = regex(r"^(?:<\d+>)?\[\s*(\d+\.\d+)\] (.*)$")
_OOM_CONSTRAINT = regex(
    r"^oom-kill:constraint=(\w+),(?>.*?(?:oom_memcg=([^,]*),)?task_memcg=([^,]*),task=).*?,pid=(\d+),")
_KILLED = regex(r"^(?:Memory cgroup out of memory|Out of memory): Killed process (\d+) \((.*?)\)")
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
    """Yield each kill, with the cgroup and limit of the `oom-kill:` line before it."""
    groups: dict[int, tuple[str, str]] = {}
    for raw in answer.data.decode("utf-8", "replace").splitlines():
        stamped = _STAMP.match(raw)
        if stamped is None:
            continue
        where = _OOM_CONSTRAINT.match(stamped[2])
        if where is not None:
            groups[int(where[4])] = (where[3], (where[2] or "") if where[1] == "CONSTRAINT_MEMCG" else "")
            continue
        killed = _KILLED.match(stamped[2])
        if killed is not None:
            pid = int(killed[1])
            cgroup, limit = groups.pop(pid, ("", ""))
            yield OomKill(boot + float(stamped[1]), cgroup, limit, pid, killed[2], stamped[2][:200])
