"""What an error line means, as one word: by its level, the words nginx begins it with, its errno and its phase."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from fixer.model.snapshot import ErrorEvent

Signature: TypeAlias = Literal[
    "refused", "host-unreachable", "net-unreachable", "connect-denied", "connect-invalid", "local-address-exhausted",
    "connect-timeout-kernel", "socket-missing", "backlog-full", "connect-failed",
    "timeout-connect", "timeout-tls", "timeout-send", "timeout-read", "timeout-body",
    "prematurely-closed", "closed-in-body", "reset", "reset-in-body", "reset-while-sending",
    "header-too-big", "header-invalid", "not-http", "chunked-invalid", "wrong-protocol",
    "tls-handshake", "tls-verify", "tls-name", "tls-peer-closed", "tls-certificate-file",
    "no-live-upstreams", "name-not-resolved", "no-resolver", "resolver-failed", "host-not-found",
    "socket-failed", "proxy-bind-failed", "connections-exhausted", "files-exhausted",
    "invalid-target", "cache-missing", "redirection-cycle", "auth-request-failed",
    "temp-file-failed", "limit-requests", "limit-connections", "proxy-protocol-broken",
    "worker-exited", "emerg-bind", "emerg-open", "emerg-config", "other",
]
SIGNATURES: tuple[str, ...] = get_args(Signature)

# connect() by errno: EPERM and EACCES are a policy, EAGAIN is a full queue of a unix socket.
_CONNECT: dict[int | None, Signature] = {
    111: "refused", 113: "host-unreachable", 101: "net-unreachable", 13: "connect-denied", 1: "connect-denied",
    22: "connect-invalid", 99: "local-address-exhausted", 110: "connect-timeout-kernel", 2: "socket-missing",
    11: "backlog-full", 104: "reset",
}
_TIMEOUTS: dict[str, Signature] = {
    "connecting to upstream": "timeout-connect",
    "SSL handshaking to upstream": "timeout-tls",
    "sending request to upstream": "timeout-send",
    "reading response header from upstream": "timeout-read",
    "reading upstream": "timeout-body",
}

# How a line begins. Only nginx writes the beginning: what a visitor sends comes after it.
_BEGINNINGS: tuple[tuple[str, Signature], ...] = (
    ("upstream sent too big header", "header-too-big"),
    ("upstream sent no valid HTTP/1.0 header", "not-http"),
    ("upstream sent invalid chunked response", "chunked-invalid"),
    ("upstream sent unsupported FastCGI", "wrong-protocol"),
    ("upstream rejected request", "wrong-protocol"),
    ("upstream sent", "header-invalid"),
    ("upstream SSL certificate verify error", "tls-verify"),
    ("upstream SSL certificate does not match", "tls-name"),
    ("SSL_do_handshake() failed", "tls-handshake"),
    ("peer closed connection in SSL handshake", "tls-peer-closed"),
    ("cannot load certificate", "tls-certificate-file"),
    ("no live upstreams", "no-live-upstreams"),
    ("no resolver defined to resolve", "no-resolver"),
    ("send() failed", "reset-while-sending"),
    ("sendfile() failed", "reset-while-sending"),
    ("writev() failed", "reset-while-sending"),
    ("sendmsg() failed", "reset-while-sending"),
    ("SSL_write() failed", "reset-while-sending"),
    ("invalid URL prefix", "invalid-target"),
    ("invalid port in upstream", "invalid-target"),
    ("no port in upstream", "invalid-target"),
    ("no host in upstream", "invalid-target"),
    ("no upstream configuration", "invalid-target"),
    ("upstream \"", "invalid-target"),
    ("cache \"", "cache-missing"),
    ("rewrite or internal redirection cycle", "redirection-cycle"),
    ("auth request unexpected status", "auth-request-failed"),
    ("limiting requests", "limit-requests"),
    ("limiting connections", "limit-connections"),
    ("broken header:", "proxy-protocol-broken"),
)
_TEMP_CALLS = ("pwrite() ", "pwritev() ", "write() ", "open() ", "mkdir() ", "open()/")


def classify(event: ErrorEvent) -> Signature:
    """The meaning of one event; `other` for what says nothing about a gateway error."""
    message = event.message
    if event.level == "emerg":
        return _emergency(message)
    for look in (_connection, _stream_of_bytes, _local):
        found = look(event, message)
        if found is not None:
            return found
    return next((signature for beginning, signature in _BEGINNINGS if message.startswith(beginning)), "other")


def _emergency(message: str) -> Signature:
    if message.startswith(("bind() to", "still could not bind()")):
        return "emerg-bind"
    if message.startswith("host not found in upstream"):
        return "host-not-found"
    return "emerg-open" if message.startswith("open() ") else "emerg-config"


def _connection(event: ErrorEvent, message: str) -> Signature | None:
    if message.startswith(("connect() failed", "connect() to ")):
        return _CONNECT.get(event.errno, "connect-failed")
    if message.startswith("upstream timed out"):
        return _TIMEOUTS.get(event.phase, "timeout-body")
    return None


def _stream_of_bytes(event: ErrorEvent, message: str) -> Signature | None:
    in_body = event.phase in ("reading upstream", "proxying upgraded connection", "proxying connection")
    if message.startswith("upstream prematurely closed connection"):
        return "closed-in-body" if in_body else "prematurely-closed"
    if message.startswith(("recv() failed", "readv() failed", "SSL_read() failed")) and "upstream" in event.phase:
        return "reset-in-body" if in_body else "reset"
    if message.startswith(("send() failed", "recv() failed")) and event.phase == "resolving":
        return "resolver-failed"
    if "could not be resolved (" in message and not message.startswith(_TEMP_CALLS):
        return "name-not-resolved"
    return None


def _local(event: ErrorEvent, message: str) -> Signature | None:
    if message.startswith("socket() failed"):
        return "files-exhausted" if event.errno == 24 else "socket-failed"
    if message.startswith(("accept4() failed", "accept() failed")):
        return "files-exhausted" if event.errno in (23, 24) else "other"
    if message.startswith("bind("):
        return "proxy-bind-failed"
    if "worker_connections are not enough" in message[:60]:
        return "connections-exhausted"
    if message.startswith("worker process ") and "exited on signal" in message:
        return "worker-exited"
    if event.level == "crit" and message.startswith(_TEMP_CALLS) and "/" in message:
        return "temp-file-failed"
    return None
