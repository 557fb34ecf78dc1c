"""Tell what an address stands for: the node itself, all its addresses, or one of them. Pure."""

from __future__ import annotations

from fixer.lazy.regex import regex

ANY_IPV4, ANY_IPV6 = "0.0.0.0", "::"  # noqa: S104  read and written into files, nothing is bound
DOCKER_RESOLVER = "127.0.0.11"
_ANY = frozenset({"", ANY_IPV4, ANY_IPV6, "*"})
_LOOPBACK = regex(r"^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$")


def is_loopback(address: str) -> bool:
    """Return True for an address that never leaves the node."""
    return bool(_LOOPBACK.match(address))


def is_own_host(host: str) -> bool:
    """Return True for a name or an address by which a node means itself."""
    return host in ("localhost", "localhost.localdomain") or is_loopback(host)


def is_wildcard(address: str) -> bool:
    """Return True for what stands for every address of a node."""
    return address.strip("[]") in _ANY


def reached_at(address: str) -> str:
    """Return where the node itself reaches a listener: a wildcard is no destination."""
    if not is_wildcard(address):
        return address
    return "::1" if address.strip("[]") == ANY_IPV6 else "127.0.0.1"
