"""What the security modules of a kernel say: SELinux's mode and booleans, the label of nginx's workers. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Policy
from fixer.observe.view import View

ENFORCE = "/sys/fs/selinux/enforce"
BOOLEANS = ("httpd_can_network_connect", "httpd_can_network_relay", "httpd_can_connect_http")
_SMALL = 256


def policy_queries(workers: Iterable[int]) -> tuple[Query, ...]:
    """Small files of the kernel: absent ones tell that the module is not there."""
    labels = [f"/proc/{pid}/attr/current" for pid in list(workers)[:1]]
    return tuple(ReadFile(path, _SMALL) for path in (ENFORCE, *map(_path, BOOLEANS), *labels))


def _path(name: str) -> str:
    return f"/sys/fs/selinux/booleans/{name}"


def policy_of(view: View) -> Fact[Policy]:
    """The node's policy; Unknown where nobody asked."""
    if not view.was_asked(ENFORCE):
        return Unknown("not asked")
    mode = view.data(ENFORCE)
    known = [(name, view.data(_path(name))) for name in BOOLEANS]
    # current and pending value; the first counts now
    booleans = tuple((name, data.split()[0] == b"1") for name, data in known if data and data.split())
    labels = [view.data(path) for path in view.files if path.startswith("/proc/") and path.endswith("/attr/current")]
    label = next((data for data in labels if data), b"").rstrip(b"\0\n ").decode("utf-8", "replace")
    return Known(Policy(None if mode is None else mode.strip() == b"1", booleans, label))
