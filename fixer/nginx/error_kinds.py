"""The kind of a line of nginx's error log: by its level, nginx's first words, its errno and its phase."""

from __future__ import annotations

import posixpath
from typing import Literal, TypeAlias, get_args

from fixer.lazy.regex import regex
from fixer.model.nginx_config import ErrorKind
from fixer.model.snapshot import ErrorEvent

KINDS: frozenset[ErrorKind] = frozenset(get_args(ErrorKind))
HOST_NOT_FOUND = "host not found in upstream"      # also in what `nginx -t` prints

_CONNECT: dict[int | None, ErrorKind] = {
    111: "refused", 113: "host-unreachable", 101: "net-unreachable", 13: "connect-denied", 1: "connect-not-permitted",
    22: "connect-invalid", 99: "local-address-exhausted", 110: "connect-timeout-kernel", 2: "socket-missing",
    104: "connect-reset",
}
_TIMEOUTS: dict[str, ErrorKind] = {
    "connecting to upstream": "timeout-connect",
    "SSL handshaking to upstream": "timeout-tls",
    "sending request to upstream": "timeout-send",
    "reading response header from upstream": "timeout-read",
    "reading upstream": "timeout-body",
}
_TUNNELS = ("proxying upgraded connection", "proxying connection")
# What is wrong with an answer, by the text after `upstream sent `. Only nginx writes the start of a line.
_SENT: tuple[tuple[str, ErrorKind], ...] = (
    ("too big header", "header-too-big"),
    ("no valid HTTP", "not-http"),
    ("invalid chunked response", "chunked-invalid"),
    ("unsupported FastCGI", "wrong-protocol"),
    ("too large http2 frame: 4740180", "not-http2"),     # the letters HTT of HTTP/1, read as a length
    ("invalid header", "header-malformed"),
    ('invalid "', "header-malformed"),
    ("invalid status", "status-invalid"),
    ("invalid ", "answer-invalid"),
    ("duplicate header line", "header-forbidden"),
    ('unknown "', "header-forbidden"),
    ('"Content-Length" and', "header-forbidden"),
)
_BEGINNINGS: tuple[tuple[str, ErrorKind], ...] = (
    ("upstream rejected request", "wrong-protocol"),
    ("upstream violated ", "answer-invalid"),
    ("upstream SSL certificate verify error", "tls-verify"),
    ("upstream SSL certificate does not match", "tls-name"),
    ("peer closed connection in SSL handshake", "tls-peer-closed"),
    ("cannot load certificate", "tls-certificate-file"),
    ("no live upstreams", "no-live-upstreams"),
    ("no resolver defined to resolve", "no-resolver"),
    ("invalid URL prefix", "invalid-target"),
    ("no upstream configuration", "invalid-target"),
    ('upstream "', "invalid-target"),
    ("suwsgi protocol requires SSL support", "request-impossible"),
    ("grpcs protocol requires SSL support", "request-impossible"),
    ("uwsgi request is too ", "request-impossible"),
    ("fastcgi request record is too big", "request-impossible"),
    ('the "$memcached_key" variable is not set', "request-impossible"),
    ("zero length URI to proxy", "request-impossible"),
    ("connection upgrade in subrequest", "request-impossible"),
    ('thread pool "', "request-impossible"),
    ("could not enable transparent proxying", "proxy-bind-failed"),
    ("could not send PROXY protocol header", "own-failure"),
    ("invalid header after joining FastCGI records", "own-failure"),
    ("no connection data found for keepalive", "own-failure"),
    ("recycled buffer in pipe out chain", "own-failure"),
    ("bad buf in output chain", "own-failure"),
    ("file buf in ", "own-failure"),
    ("too many parts in a datagram", "own-failure"),
    ("invalid thread call", "own-failure"),
    ("buffered data on next upstream", "own-failure"),
    ('cache "', "cache-missing"),
    ("rewrite or internal redirection cycle", "redirection-cycle"),
    ("auth request unexpected status", "auth-request-failed"),
    ("limiting requests", "limit-requests"),
    ("limiting connections", "limit-connections"),
    ("broken header:", "proxy-protocol-broken"),
    ("FastCGI sent in stderr", "backend-stderr"),
    ("memcached sent invalid", "answer-invalid"),
    ("conflicting server name", "name-ignored"),
)
_TARGET = regex(r"(?:[A-Za-z0-9]{1,12} ){1,8}in upstream\b")       # what is wrong with an address, in nginx's words
# Why TLS ended, by what OpenSSL says of it behind `failed (SSL: `. A refused certificate can show after the handshake.
_HANDSHAKES: tuple[tuple[str, ErrorKind], ...] = (
    ("alert protocol version", "tls-version"),
    ("unsupported protocol", "tls-version"),
    ("no protocols available", "tls-version"),
    ("unrecognized name", "tls-alert-name"),
    ("alert certificate required", "tls-alert-certificate"),
    ("alert bad certificate", "tls-alert-certificate"),
    ("wrong version number", "tls-not-spoken"),
    ("packet length too long", "tls-not-spoken"),
    ("key too small", "tls-weak"),
    ("md too weak", "tls-weak"),
    ("unsafe legacy renegotiation", "tls-weak"),
)
_FILES = regex(r"^(?:socket|accept4?|open|epoll_create|eventfd)\(\) .*\(24: ")
# Calls by which nginx sets a connection up, moves an answer or encrypts: what fails there is no backend's fault.
_OWN_CALLS = regex(r"(?:fcntl|setsockopt|ioctl|lseek|pread|read|pcre2?_exec|"
                   r"SSL_new|SSL_set_(?:fd|ex_data|session))\(")
_OWN_TEXTS = ("sendfile() reported that", "SSL_sendfile() reported that", "SSL_sendfile() not available")
_CERTIFICATES = ("SSL_use_certificate(", "SSL_use_PrivateKey(", "SSL_set0_chain(")
_NO_MEMORY = frozenset({12, 105})
_QUIET = frozenset({"info", "notice", "debug"})
# nginx's words within a connect after which it goes on.
_NOTES = ("close() socket", "setsockopt(", "password is truncated", "ngx_ssl_password_callback", "ignoring stale",
          "SSL_shutdown()", "send() returned zero")
_HARMLESS = regex(r"[A-Za-z_]{1,20}\([\w!]{0,30}\) (?:failed, ignored|returned zero)")     # nginx goes on
_TEMP_CALLS = frozenset({"open()", "pwrite()", "pwritev()", "write()", "writev()", "mkdir()"})


def error_kind(level: str, message: str, errno: int | None, phase: str) -> ErrorKind:
    """Return the kind of one line; `other` if it does not concern a gateway error."""
    first = message.partition(" ")[0]
    if level == "emerg":
        return _emergency(first, message)
    if level == "warn" and message.startswith("upstream sent "):
        return "answer-tolerated"
    if phase == "resolving" and level not in _QUIET:
        return "resolver-failed"
    found = _called(level, first, message, errno, phase) if "(" in first else _said(first, message, phase)
    if found is not None:
        return found
    if phase == "connecting to upstream" and level not in _QUIET and not message.startswith(_NOTES):
        return "connecting-other"
    if "could not be resolved (" in message and not first.endswith(")"):
        return "name-not-resolved"
    return "other"


def _emergency(first: str, message: str) -> ErrorKind:
    if message.startswith(("bind() to", "still could not bind()")):
        return "emerg-bind"
    if message.startswith(HOST_NOT_FOUND):
        return "host-not-found"
    if "failed (12: " in message and first.startswith(("malloc(", "posix_memalign(")):
        return "no-memory"
    if _FILES.match(message):
        return "files-exhausted"
    return "emerg-open" if first == "open()" else "emerg-config"


def _called(level: str, first: str, message: str, errno: int | None, phase: str) -> ErrorKind | None:
    """Return the kind of a line that starts with the name of the failed call."""
    if first == "connect()":
        return _connect(message, errno, phase)
    if level in ("alert", "crit") and _FILES.match(message):
        return "connect-files-exhausted" if first == "socket()" else "files-exhausted"
    if first == "socket()":
        return "socket-family-denied" if errno == 97 else "no-memory" if errno in _NO_MEMORY else "socket-failed"
    if first.startswith("SSL_"):
        return _encrypted(level, first, message, errno, phase)
    if first in ("recv()", "readv()"):
        return _read(errno, phase)
    if first in ("send()", "sendfile()", "writev()", "sendmsg()", "sendto()") and message.startswith(
            (f"{first} failed", "sendto() incomplete")):
        return _sent(level, errno, phase)
    if first == "write()" and level == "alert" and message.startswith('write() to "') and "failed (28: " in message:
        return "log-full"
    if first in _TEMP_CALLS and level == "crit" and "/" in message:
        return "temp-file-failed"
    if first.startswith("bind(") and first != "bind()":
        return "proxy-bind-failed"
    if first.startswith("kevent()"):
        return "closed-in-body" if "upstream closed" in message else (
            _CONNECT.get(errno) if "connect() failed" in message else _read(errno, phase))
    return _own(level, message, errno)


def _own(level: str, message: str, errno: int | None) -> ErrorKind | None:
    """Return the kind of a line about a call of nginx's own; None where it goes on all the same."""
    if level in _QUIET or _HARMLESS.match(message) or not (
            _OWN_CALLS.match(message) or message.startswith(_OWN_TEXTS)):
        return None
    if message.startswith(("setsockopt(IP_", "setsockopt(IPV6_")):
        return "proxy-bind-failed"      # of `proxy_bind … transparent` only
    return "no-memory" if errno in _NO_MEMORY else "own-failure"


def _encrypted(level: str, first: str, message: str, errno: int | None, phase: str) -> ErrorKind | None:
    """Return the kind of a line that starts with a call of OpenSSL."""
    if first == "SSL_do_handshake()" or (first == "SSL_read()" and "(SSL: " in message and "upstream" in phase):
        kind = next((kind for words, kind in _HANDSHAKES if words in message), None)
        if kind is not None or first == "SSL_do_handshake()":
            return kind or "tls-handshake"
    if first == "SSL_read()":
        return _read(errno, phase)
    if first in ("SSL_write()", "SSL_sendfile()") and message.startswith(f"{first} failed"):
        return _sent(level, errno, phase)
    if message.startswith(_CERTIFICATES):
        return "tls-certificate-file"
    if message.startswith("SSL_set_tlsext_host_name("):
        return "request-impossible"
    return _own(level, message, errno)


def _sent(level: str, errno: int | None, phase: str) -> ErrorKind | None:
    if "upstream" not in phase and phase not in _TUNNELS:
        return None     # to a visitor, or a file that nginx sends by itself
    return "timeout-send" if errno == 110 and phase.startswith("sending request") else "reset-while-sending"


def _connect(message: str, errno: int | None, phase: str) -> ErrorKind | None:
    if "connecting" not in phase:
        return None
    return "backlog-full" if errno == 11 and "unix:" in message else _CONNECT.get(errno, "connect-failed")


def _read(errno: int | None, phase: str) -> ErrorKind | None:
    if phase in _TUNNELS:
        return "reset-in-tunnel"
    if "upstream" not in phase:
        return None
    if errno == 110:
        return "timeout-body" if phase == "reading upstream" else "timeout-read"
    if errno != 104:
        return "read-failed"
    return "reset-in-body" if phase == "reading upstream" else "reset-before-answer"


def _said(first: str, message: str, phase: str) -> ErrorKind | None:
    if first == "upstream":
        if message.startswith("upstream timed out"):
            return _TIMEOUTS.get(phase, "timeout-tunnel")
        if message.startswith("upstream prematurely closed"):
            return "closed-in-body" if phase == "reading upstream" else (
                "closed-before-answer" if phase.startswith("reading response header") else "closed-elsewhere")
        if message.startswith("upstream sent "):
            return next((kind for begin, kind in _SENT if message.startswith(begin, 14)), "answer-unexpected")
    if first == "worker" and message.startswith("worker process "):
        return _worker(message)
    if first == "unknown" and message.startswith("unknown process "):      # of a container whose first process nginx is
        return "child-killed" if message.split(" ")[3:5] == ["exited", "on"] else None
    if _TARGET.match(message) and not message.startswith(HOST_NOT_FOUND):
        return "invalid-target"
    if "worker_connections are not enough" in message[:60] and not message.endswith("reusing connections"):
        return "connections-exhausted"      # else it only closed idle connections, and refused nobody
    return next((kind for begin, kind in _BEGINNINGS if message.startswith(begin)), None)


def _worker(message: str) -> ErrorKind | None:
    words = message.split(" ")
    if words[3:5] == ["exited", "on"]:
        return "worker-killed"
    if "cannot be respawned" in message:
        return "worker-lost"
    return "worker-exited" if words[-1:] == ["0"] else "worker-failed" if words[3:5] == ["exited", "with"] else None


CONNECT_FAILED: frozenset[ErrorKind] = frozenset({
    "refused", "host-unreachable", "net-unreachable", "connect-denied", "connect-not-permitted", "connect-invalid",
    "connect-timeout-kernel", "socket-missing", "backlog-full", "connect-reset",
    "connect-failed", "timeout-connect",
})
CONNECTING: frozenset[ErrorKind] = CONNECT_FAILED | {
    "local-address-exhausted",     # nginx's own side: it says nothing about who accepts there
    "no-live-upstreams", "socket-failed", "socket-family-denied", "proxy-bind-failed", "tls-certificate-file",
    "connect-files-exhausted", "connecting-other",
}
READ_TIMEOUT: frozenset[ErrorKind] = frozenset({"timeout-read", "timeout-body"})
# The connection stood, and no answer came in time: to a request, or to the handshake before it.
ANSWER_TIMEOUT: frozenset[ErrorKind] = READ_TIMEOUT | {"timeout-tls"}
TIMED_OUT: frozenset[ErrorKind] = READ_TIMEOUT | {
    "timeout-connect", "timeout-tls", "timeout-send", "timeout-tunnel", "connect-timeout-kernel",
}
# The connection ended, or something else than HTTP came, instead of an answer; in the body: its beginning had come.
CUT_OFF: frozenset[ErrorKind] = frozenset({
    "closed-before-answer", "closed-in-body", "reset-before-answer", "reset-in-body", "not-http", "header-malformed",
    "status-invalid", "chunked-invalid", "answer-invalid",
})
# what nginx logs where the backend closed a connection just then, an idle one or a new one
RACE_KINDS: frozenset[ErrorKind] = frozenset({"closed-before-answer", "reset-before-answer", "reset-while-sending"})
UNANSWERED: frozenset[ErrorKind] = frozenset({"closed-before-answer"})      # the request was taken, and not answered
CUT_IN_BODY: frozenset[ErrorKind] = frozenset({"closed-in-body", "reset-in-body", "chunked-invalid"})

BACKLOG_FULL: frozenset[ErrorKind] = frozenset({"timeout-connect", "connect-timeout-kernel", "backlog-full"})
TARGET_INVALID: frozenset[ErrorKind] = frozenset({
    "invalid-target", "proxy-bind-failed", "redirection-cycle", "cache-missing", "request-impossible"})
OWN_FAILURE: frozenset[ErrorKind] = frozenset({"own-failure", "no-memory", "socket-failed"})
# The first is the alert of a server that misses the name, or does not serve it; others only may mean that.
NAME_REFUSED: frozenset[ErrorKind] = frozenset({"tls-alert-name", "tls-handshake", "tls-peer-closed"})


def is_about_upstream(event: ErrorEvent) -> bool:
    """Return whether the line is about a connection to an upstream or the lookup of its name."""
    return "upstream" in event.message + event.phase or event.kind in ("name-not-resolved", "no-resolver")


_TEMP_FILE = regex(r"^(?:(?:open|pwritev?|writev?)\(\) \"(?P<file>/[^\"\n]+)/\d{10}|"
                   r"mkdir\(\) \"(?P<level>/[^\"\n]+)/\d{1,2})\" (?:failed \((?P<errno>\d+): |has written only )")
_NO_SPACE = 28
_HASH_LEVELS = regex(r"(?<!/\d)(?<!/\d\d)(?:/\d{1,2})+$")


def unwritable_folder(event: ErrorEvent) -> tuple[str, int] | None:
    """Return the temp folder that nginx could not write to, without its numbered subfolders, and the errno."""
    match = _TEMP_FILE.match(event.message) if event.kind == "temp-file-failed" else None
    if match is None:
        return None
    return posixpath.normpath(_HASH_LEVELS.sub("", match["file"] or match["level"])), int(match["errno"] or _NO_SPACE)


# Lines by which nginx's own source ends a request, cuts its answer or turns it into a 5xx. Left out: a tunnel, which
# was answered (101) and ends by its time limit; a resolver's failure, since nginx asks the next one; limits that answer
# 503 on purpose; the application's own words; ends of workers, which are judged by themselves.
_ENDED_BY_BACKEND: frozenset[ErrorKind] = CUT_OFF | CONNECTING | (TIMED_OUT - {"timeout-tunnel"}) | {
    "closed-elsewhere", "read-failed", "reset-while-sending", "header-too-big", "header-forbidden",
    "answer-unexpected", "wrong-protocol", "not-http2", "tls-handshake", "tls-version", "tls-verify", "tls-name",
    "tls-peer-closed", "tls-alert-name", "tls-alert-certificate", "tls-not-spoken", "tls-weak",
}
_ENDED_BY_NGINX: frozenset[ErrorKind] = frozenset({
    "connect-denied", "connect-not-permitted", "connect-invalid", "local-address-exhausted", "socket-failed",
    "socket-family-denied", "proxy-bind-failed", "connect-files-exhausted", "connections-exhausted", "no-memory",
    "invalid-target", "cache-missing", "redirection-cycle", "auth-request-failed", "temp-file-failed", "no-resolver",
    "name-not-resolved", "tls-certificate-file", "header-too-big", "request-impossible", "own-failure",
})
_ENDING = _ENDED_BY_BACKEND | _ENDED_BY_NGINX
_WITHOUT_UPSTREAM: frozenset[ErrorKind] = frozenset({
    "connections-exhausted", "no-memory", "invalid-target", "cache-missing", "redirection-cycle",
    "auth-request-failed", "temp-file-failed", "request-impossible", "own-failure",
})
_SEVERE = frozenset({"error", "crit", "alert", "emerg"})


def ends_request(event: ErrorEvent) -> bool:
    """Return whether the line says that a request of a route was ended, cut or answered with a 5xx by nginx."""
    if event.level not in _SEVERE or event.kind not in _ENDING or not event.client:
        return False
    if event.kind == "temp-file-failed":
        return unwritable_folder(event) is not None      # else it is a file of a site, which no route answers
    return event.kind in _WITHOUT_UPSTREAM or is_about_upstream(event)


def is_about_route(event: ErrorEvent) -> bool:
    """Return whether the line is about an upstream, or says why nginx itself answers a request of a route with 500."""
    return is_about_upstream(event) or (event.kind in _WITHOUT_UPSTREAM and bool(event.client))


Side: TypeAlias = Literal["client", "nginx", "backend"]


def side_of(event: ErrorEvent) -> Side:
    """Return the side that a line which ends a request concerns. nginx logs what clients end at level `info`, so only
    a header that the PROXY protocol requires makes one of them an error."""
    if event.kind == "proxy-protocol-broken":
        return "client"
    return "nginx" if event.kind in _ENDED_BY_NGINX else "backend"


def concern_of(kind: ErrorKind) -> Side | None:
    """Return the side that lines of that kind concern; None for those that end no request of a route."""
    if kind in _ENDED_BY_NGINX:
        return "nginx"
    return "backend" if kind in _ENDED_BY_BACKEND else None
