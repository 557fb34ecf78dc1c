"""How often a service needed again what the kernel had taken from its memory for want of room: memory.stat."""

from __future__ import annotations

import re

from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.snapshot import Service
from fixer.observe.kernel.cgroup_stats import group_files
from fixer.observe.view.node_view import View

_COUNT = regex(r"^workingset_refault_(?P<kind>anon|file) (?P<pages>\d+)$", re.MULTILINE)
_OWN = ("/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat")


def has_memory_limit(service: Service) -> bool:
    """Whether its manager sets one."""
    if service.unit is not None:
        return service.unit.memory_max > 0
    return service.container is not None and service.container.memory_max > 0


def refault_paths(service: Service, view: View) -> tuple[str, ...]:
    """Where its memory.stat may lie, on cgroup v2 and v1; inside a container its own group is the root."""
    if not has_memory_limit(service) or not service.pids:
        return ()
    own = _OWN if service.container is not None else ()
    return tuple(dict.fromkeys((*group_files(view, service.pids[0], "memory", "memory.stat"), *own)))


def refaults_of(service: Service, view: View | None) -> Fact[int]:
    """Pages that it needed again since its group was made, where a file counts them; old kernels count none on v1."""
    if view is None or not has_memory_limit(service):
        return Unknown("no limit")
    for path in refault_paths(service, view):
        data = view.data(path)
        counts = {m["kind"]: int(m["pages"]) for m in _COUNT.finditer(data.decode("ascii", "replace"))} if data else {}
        if counts:
            said = ", ".join(f"workingset_refault_{kind} {pages}" for kind, pages in sorted(counts.items()))
            return Known(sum(counts.values()), (Evidence("kernel", path, said),))
    return Unknown("its memory.stat could not be read, or does not count them")
