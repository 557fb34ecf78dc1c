"""Tell what an address stands for: the node itself, all its addresses, or one of them. Pure."""

from __future__ import annotations

from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex

with lazy_imports():
    import ipaddress  # only IPv6 needs it

ANY_IPV4, ANY_IPV6 = "0.0.0.0", "::"  # noqa: S104  read and written into files, nothing is bound
DOCKER_RESOLVER = "127.0.0.11"
_ANY = frozenset({"", ANY_IPV4, ANY_IPV6, "*"})
_LOOPBACK = regex(r"^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$")

_IP = regex(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-fA-F.]*:[0-9a-fA-F:.]*\]?)$")
_HOST_NAME = regex(r"^(?![\d.]+$)[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$")


def is_ip(text: str) -> bool:
    """Return whether it has the form of an IPv4 or IPv6 address, also in brackets."""
    return bool(_IP.match(text))


def is_host_name(text: str) -> bool:
    """Return whether it is a name as a TLS handshake sends it: no address, no variable, no pattern."""
    return bool(_HOST_NAME.match(text))


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


def normalize_address(text: str) -> str:
    """Return the address as the kernel and Docker write it: IPv6 has many spellings."""
    if ":" not in text:
        return text
    try:
        return ipaddress.ip_address(text).compressed
    except ValueError:
        return text


def compress_ipv6(data: bytes) -> str:
    """Return 16 bytes in RFC 5952 form (importing ipaddress would cost 5 ms)."""
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, 16, 2)]
    best, start = 0, -1
    i = 0
    while i < 8:
        run = i
        while run < 8 and words[run] == 0:
            run += 1
        if run - i > best:
            best, start = run - i, i
        i = max(run, i + 1)
    if best < 2:
        return ":".join(f"{w:x}" for w in words)
    head, tail = words[:start], words[start + best :]
    return ":".join(f"{w:x}" for w in head) + "::" + ":".join(f"{w:x}" for w in tail)
