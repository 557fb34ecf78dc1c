"""The files that a C library looks names up by, and the lines of a program that could not."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.lazy.regex import regex

NAME_FILES = ("/etc/resolv.conf", "/etc/hosts")
_UNRESOLVED = regex(
    r"\[Errno -[235]\]|\bcould not translate host name\b|\bENOTFOUND\b|\bEAI_AGAIN\b|\bName or service not known\b|"
    r"\bTemporary failure in name resolution\b|\bfailed to resolve host\b|\bUnknown (?:MySQL |MariaDB )?server host\b")


def says_name_unresolved(texts: Iterable[str]) -> bool:
    """Return whether a line says that a name has no address."""
    return any(_UNRESOLVED.search(text) for text in texts)


_NAME_SERVER = regex(rb"^[ \t]*nameserver[ \t]+([0-9a-fA-F.:]{2,45})[ \t]*(?:[#;].*)?$")


def name_servers_in(data: bytes) -> tuple[str, ...]:
    """Return the name servers of a resolv.conf, each once, in its order."""
    found = (_NAME_SERVER.match(line.rstrip()) for line in data.splitlines())
    return tuple(dict.fromkeys(match[1].decode() for match in found if match is not None))


def parse_hosts(data: bytes, *, six: bool = False) -> dict[str, tuple[str, ...]]:
    """Return name -> addresses of an /etc/hosts file, each once, in its order.

    `six`: the machine has IPv6, so nginx resolves a name with only ::1 to ::1. Otherwise the C library returns
    127.0.0.1 for that line.
    """
    found: dict[str, dict[str, None]] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        words = line.split("#", 1)[0].split()
        for name in words[1:]:
            found.setdefault(name.lower(), {})[words[0]] = None
    for addresses in found.values():
        if not six and "::1" in addresses and not any(address.startswith("127.") for address in addresses):
            addresses["127.0.0.1"] = None      # the C library returns it for ::1 if IPv4 is requested
    return {name: tuple(addresses) for name, addresses in found.items()}


def hosts_line_of(data: bytes, host: str) -> int:
    """Return the first line of an /etc/hosts file that names the host, 0 if none does."""
    wanted = host.lower().encode("utf-8", "surrogateescape")
    lines = enumerate(data.split(b"\n"), 1)
    return next((number for number, line in lines if wanted in line.partition(b"#")[0].lower().split()[1:]), 0)
