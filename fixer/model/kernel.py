"""What a kernel says: whom it killed for memory, and what its security modules denied."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Fact


@dataclass(frozen=True, slots=True)
class OomKill:
    """An OOM kill, from the kernel log. `cgroup` is the process's, `limit` the cgroup whose limit was reached, empty if
    the machine ran out of memory. `size`: that limit in bytes; 0: not printed."""

    at: float
    cgroup: str
    limit: str
    pid: int
    comm: str
    text: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class KernelLog:
    """OOM kills of a node's kernel. `engine` is the Docker host, whose kernel all containers share."""

    node: str
    kills: Fact[tuple[OomKill, ...]]


@dataclass(frozen=True, slots=True)
class SelinuxDenial:
    """A SELinux denial for nginx, from the audit log: `port` is 0 unless it was a connect to one.
    `name` is the path, or its last part, of a socket file. The contexts are user:role:type:level."""

    at: float
    permission: str
    port: int
    name: str
    source: str
    target: str
    text: str


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """State of the kernel's security modules: SELinux enforcing or not (None: no SELinux), its known booleans,
    the label or profile of nginx's workers (empty for none), and their denials in the last minutes."""

    enforcing: bool | None
    booleans: tuple[tuple[str, bool], ...]
    label: str
    denials: tuple[SelinuxDenial, ...] = ()
