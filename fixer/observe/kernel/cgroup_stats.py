"""CPU throttling and memory refaults of a service, from cpu.stat and memory.stat of its cgroup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.query import ListProcesses
from fixer.model.snapshot import Service
from fixer.observe.view.node_view import View

_UNSEEN = "fixer could not look inside"      # of a paused container, say
_THROTTLE_COUNT = regex(r"^nr_(periods|throttled) (\d+)$", re.MULTILINE)
_OWN_CPU = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat", "/sys/fs/cgroup/cpu,cpuacct/cpu.stat")


def throttling_paths(service: Service, view: View) -> tuple[str, ...]:
    """Return the possible paths of its cpu.stat on cgroup v1 and v2; inside a container its group is the root."""
    if not manager_of(service).limits().cpus or not service.pids:
        return ()
    own = _OWN_CPU if service.container is not None else ()
    return tuple(dict.fromkeys((*cgroup_files(view, service.pids[0], "cpu", "cpu.stat"), *own)))


def cgroup_files(view: View, pid: int, controller: str, wanted: str) -> Iterator[str]:
    """Yield the possible paths of a file of its cgroup, from /proc/PID/cgroup in the process table's answer."""
    answer = view.node.answers.get(ListProcesses())
    name = f"/proc/{pid}/cgroup"
    data = next((file.data for file in answer.files if file.path == name), b"") if answer is not None else b""
    for line in data.decode("utf-8", "replace").splitlines():
        parts = line.split(":", 2)
        if len(parts) != 3 or ".." in parts[2] or not parts[2].startswith("/"):
            continue
        path = parts[2].rstrip("/")
        if parts[1] == "":
            yield f"/sys/fs/cgroup{path}/{wanted}"
        elif controller in parts[1].split(","):
            yield f"/sys/fs/cgroup/{parts[1]}{path}/{wanted}"
            yield f"/sys/fs/cgroup/{controller}{path}/{wanted}"


def throttling_of(service: Service, view: View | None) -> Fact[tuple[int, int]]:
    """Return (throttled periods, all periods) of a service with a quota, from the first cpu.stat that counts any."""
    if view is None:
        return Unknown(_UNSEEN)
    for path in throttling_paths(service, view):
        data = view.data(path)
        counts = {m[1]: int(m[2]) for m in _THROTTLE_COUNT.finditer(data.decode("ascii", "replace"))} if data else {}
        if counts.get("periods"):
            held = counts.get("throttled", 0)
            text = f"nr_periods {counts['periods']}, nr_throttled {held}"
            return Known((held, counts["periods"]), (Evidence("kernel", path, text),))
    return Unknown("its cpu.stat could not be read")


# Refaults: pages that a service needed again after the kernel had reclaimed them (memory.stat).
_REFAULT_COUNT = regex(r"^workingset_refault_(?P<kind>anon|file) (?P<pages>\d+)$", re.MULTILINE)
_OWN_MEMORY = ("/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat")


def refault_paths(service: Service, view: View) -> tuple[str, ...]:
    """Return the possible paths of its memory.stat on cgroup v1 and v2; inside a container its group is the root."""
    if not manager_of(service).limits().memory or not service.pids:
        return ()
    own = _OWN_MEMORY if service.container is not None else ()
    return tuple(dict.fromkeys((*cgroup_files(view, service.pids[0], "memory", "memory.stat"), *own)))


def refaults_of(service: Service, view: View | None) -> Fact[int]:
    """Return the pages that a service with a limit refaulted since its cgroup exists. Old kernels do not count them on
    cgroup v1."""
    if view is None:
        return Unknown(_UNSEEN)
    for path in refault_paths(service, view):
        data = view.data(path)
        text = data.decode("ascii", "replace") if data else ""
        counts = {m["kind"]: int(m["pages"]) for m in _REFAULT_COUNT.finditer(text)}
        if counts:
            said = ", ".join(f"workingset_refault_{kind} {pages}" for kind, pages in sorted(counts.items()))
            return Known(sum(counts.values()), (Evidence("kernel", path, said),))
    return Unknown("its memory.stat could not be read, or does not count them")
