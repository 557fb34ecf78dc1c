"""The kernel's table of neighbours, /proc/net/arp: who of its own networks a node has asked for in vain. Pure."""

from __future__ import annotations

from fixer.model.query import ReadFile
from fixer.observe.view.node_view import View

ARP = ReadFile("/proc/net/arp", 1 << 18)
_COMPLETE = 0x2


def silent_of(view: View) -> tuple[str, ...]:
    """Addresses that were asked for lately and that nobody has said to have."""
    lines = (view.data(ARP.path) or b"").decode("ascii", "replace").splitlines()[1:]
    rows = [line.split() for line in lines]
    return tuple(row[0] for row in rows if len(row) >= 6 and row[2].startswith("0x") and not _is_complete(row[2]))


def _is_complete(flags: str) -> bool:
    try:
        return bool(int(flags, 16) & _COMPLETE)
    except ValueError:
        return True
