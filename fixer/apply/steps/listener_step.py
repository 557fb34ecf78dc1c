"""Wait for a listener in a node's kernel tables: sends nothing, and works for containers without tools."""

from __future__ import annotations

import ipaddress
import posixpath
import sys
import time
from collections.abc import Iterator

from fixer.apply.steps.node_access import EngineCommands, Nodes
from fixer.apply.steps.process_step import wait_until
from fixer.errors import NotListening, StepFailed, Unreachable
from fixer.formats.numbers import is_number
from fixer.model.plan import WaitForListener

_HEADER = b"local_address"
_TABLE_NAMES = ("tcp", "tcp6", "unix")  # tables of /proc/net
_CHECK_SECONDS = 2.0  # seconds between checks that the service has not ended
_LISTEN_STATE = b"0A"
_ACCEPT_FLAG = 0x10000  # __SO_ACCEPTCON in the flags of /proc/net/unix


def wait_for_listener(step: WaitForListener, nodes: Nodes) -> None:
    """Wait until it listens; raise NotListening on a timeout, or if the service has ended."""
    where = step.unix or f"{step.host}:{step.port}"
    asked = time.monotonic()

    def is_there() -> bool:
        nonlocal asked
        try:
            if has_listener(step, _read_socket_tables(step, nodes)):
                return True
        except (StepFailed, Unreachable):  # its container is being replaced
            pass
        if time.monotonic() - asked < _CHECK_SECONDS:
            return False
        asked = time.monotonic()
        if has_ended(step, nodes):
            who = step.unit or step.container
            raise NotListening(f"{who} ended before anything listened on {where} of {step.node}")
        return False

    if not wait_until(is_there, step.seconds):
        raise NotListening(f"nothing listens on {where} of {step.node} after {step.seconds:g} s")


def has_ended(step: WaitForListener, nodes: Nodes) -> bool:
    """Return whether its manager says that it has ended; a service that restarts has not."""
    if step.unit:
        shown = nodes.runner(step.node).run(["systemctl", "is-active", "--", step.unit])
        return shown.stdout.strip() in (b"failed", b"inactive")
    if step.container:
        shown = EngineCommands(nodes.engine()).inspect("{{.State.Status}}", step.container)
        return shown.stdout.strip() in (b"exited", b"dead")
    return False


def _read_socket_tables(step: WaitForListener, nodes: Nodes) -> bytes:
    """Return the node's socket tables. For a container without tools, read them on the engine by its first process."""
    data = b""
    try:
        data = nodes.runner(step.node).run(["cat", *(f"/proc/net/{name}" for name in _TABLE_NAMES)]).stdout
    except (StepFailed, Unreachable):
        if not step.container:
            raise
    if _HEADER in data or not step.container:  # docker reports a missing program on stdout too
        return data
    pid = EngineCommands(nodes.engine()).first_pid(step.container)
    if not is_number(pid) or int(pid) == 0:
        return b""
    return nodes.engine().run(["cat", *(f"/proc/{pid}/net/{name}" for name in _TABLE_NAMES)]).stdout


def has_listener(step: WaitForListener, data: bytes) -> bool:
    """Return whether a socket listens there, by the kernel's tables."""
    if step.unix is not None:
        wanted = step.unix.encode("utf-8", "surrogateescape")
        return any(path == wanted or _may_be_same_path(path, wanted) for path in unix_listeners(data))
    return any(port == step.port and _reaches(step.host, address) for address, port in tcp_listeners(data))


def tcp_listeners(data: bytes) -> Iterator[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Yield (address, port) of every listening socket in /proc/net/tcp and tcp6."""
    for line in data.splitlines():
        words = line.split()
        if len(words) < 10 or words[3] != _LISTEN_STATE or b":" not in words[1]:
            continue
        text, _, port = words[1].partition(b":")
        raw = bytes.fromhex(text.decode("ascii"))
        if sys.byteorder == "little":  # each 32-bit word is in the machine's byte order
            raw = b"".join(raw[i:i + 4][::-1] for i in range(0, len(raw), 4))
        yield ipaddress.ip_address(raw), int(port, 16)


def _may_be_same_path(path: bytes, wanted: bytes) -> bool:
    """Return whether a relative bound path may be `wanted`; the next observation shows which it is."""
    return path[:1] not in (b"/", b"@", b"") and wanted.endswith(b"/" + posixpath.normpath(path))


def unix_listeners(data: bytes) -> Iterator[bytes]:
    """Yield the path of every listening socket in /proc/net/unix."""
    for line in data.splitlines():
        words = line.split(maxsplit=7)
        if len(words) == 8 and words[0].endswith(b":") and len(words[3]) == 8 and int(words[3], 16) & _ACCEPT_FLAG:
            yield words[7]


def _reaches(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_unspecified:
        return True
    try:
        wanted = ipaddress.ip_address(host.strip("[]"))
    except ValueError:  # a host name may stand for any address of the node
        return not address.is_loopback or host == "localhost"
    return wanted == address
