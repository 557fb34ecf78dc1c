"""What a status or a line of nginx's error log may mean: the causes, most likely first, and what to run next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.nginx_config import ErrorKind
from fixer.nginx.pasted_line import kinds_of_line


@dataclass(frozen=True, slots=True)
class Meaning:
    """What lines of some kinds say, an example, and the causes that bring them about, most likely first."""

    kinds: tuple[ErrorKind, ...]
    example: str
    text: str
    causes: tuple[str, ...] = ()


_CRASHES = ("crash-code-error", "crash-missing-env", "crash-dependency-down", "crash-file-access", "crash-oom",
            "crash-killed", "crash-port-in-use", "crash-loop-gave-up")
# A test compares this table with what the causes read and with the lines that the lab's scenarios wait for.
MEANINGS: tuple[Meaning, ...] = (
    Meaning(("refused",), "connect() failed (111: Connection refused)",
            "Nothing listens at the address that nginx asks, or a packet filter rejects the connection.",
            ("backend-down", "wrong-port", *_CRASHES, "unit-misconfigured", "slow-start", "wrong-bind-address",
             "wrong-host", "localhost-ipv6", "nginx-not-reloaded", "dns-stale", "worker-recycled", "firewall-reject",
             "network-detached", "wrong-server-block", "sandbox-denied", "unix-socket-missing", "memory-pressure",
             "cpu-throttled", "disk-full", "no-live-upstreams")),
    Meaning(("socket-missing",), "connect() to unix:/run/app.sock failed (2: No such file or directory)",
            "The unix socket that nginx asks does not exist.",
            ("unix-socket-missing", "backend-down", *_CRASHES, "unit-misconfigured", "slow-start",
             "nginx-not-reloaded")),
    Meaning(("connect-denied", "connect-not-permitted"), "connect() failed (13: Permission denied)",
            "The kernel forbids nginx to connect: file modes, a security policy or a route.",
            ("unix-socket-permission", "mac-denied", "route-broken", "sandbox-denied", "firewall-drop",
             "unix-socket-missing")),
    Meaning(("backlog-full",), "connect() to unix:/run/app.sock failed (11: Resource temporarily unavailable)",
            "The queue of waiting connections is full: the backend accepts too slowly.",
            ("backlog-full", "backend-hung", "overload-saturated", "cpu-throttled", "memory-pressure",
             "fd-exhausted")),
    Meaning(("host-unreachable",), "connect() failed (113: No route to host)",
            "No machine or container has this address now, or a packet filter rejects the connection.",
            ("wrong-host", "backend-down", "network-detached", "dns-stale", "firewall-reject", "route-broken",
             *_CRASHES, "unit-misconfigured", "slow-start", "worker-recycled", "wrong-bind-address")),
    Meaning(("net-unreachable", "connect-invalid"), "connect() failed (101: Network is unreachable)",
            "The machine has no route to the address.", ("route-broken", "network-detached", "wrong-host")),
    Meaning(("timeout-connect", "connect-timeout-kernel"),
            "upstream timed out (110: Connection timed out) while connecting to upstream",
            "The address does not answer at all: packets are lost, or the backend accepts no connection.",
            ("firewall-drop", "network-detached", "route-broken", "backend-down", "backlog-full", "wrong-host",
             "dns-stale", "backend-hung", *_CRASHES, "unit-misconfigured", "slow-start", "worker-recycled",
             "sandbox-denied", "wrong-bind-address", "wrong-protocol", "cpu-throttled", "memory-pressure",
             "fd-exhausted")),
    Meaning(("timeout-read", "timeout-body"),
            "upstream timed out (110: Connection timed out) while reading response header from upstream",
            "The backend took the request and did not answer in time.",
            ("backend-hung", "overload-saturated", "timeout-too-short", "cpu-throttled", "memory-pressure",
             "fd-exhausted", "crash-port-in-use", "firewall-drop", "route-broken", "wrong-protocol")),
    Meaning(("timeout-send",), "upstream timed out (110: Connection timed out) while sending request to upstream",
            "The backend took an upload too slowly.",
            ("timeout-too-short", "backend-hung", "overload-saturated", "wrong-protocol")),
    Meaning(("timeout-tls", "timeout-tunnel"),
            "upstream timed out (110: Connection timed out) while SSL handshaking to upstream",
            "The backend is silent within a handshake or an open connection.",
            ("upstream-speaks-http-not-tls", "backend-hung", "timeout-too-short", "wrong-protocol",
             "overload-saturated", "tls-mismatch")),
    Meaning(("closed-before-answer", "closed-elsewhere", "reset-before-answer", "read-failed", "reset-while-sending",
             "connect-reset"),
            "upstream prematurely closed connection while reading response header from upstream",
            "The backend ended the connection before it answered: it died, restarted, or speaks another protocol.",
            ("crash-killed", "crash-oom", "worker-recycled", "keepalive-race", "connection-reset",
             "upstream-expects-tls", "wrong-port", "wrong-protocol", "proxy-protocol-mismatch", "unit-misconfigured",
             "crash-port-in-use", "fd-exhausted", "header-too-big")),
    Meaning(("chunked-invalid",), "upstream sent invalid chunked response",
            "The body of the answer is not divided into chunks as HTTP demands.",
            ("invalid-upstream-headers", "crash-killed", "crash-code-error", "wrong-protocol")),
    Meaning(("closed-in-body", "reset-in-body", "reset-in-tunnel"),
            "upstream prematurely closed connection while reading upstream",
            "The backend ended the connection in the middle of its answer.",
            ("crash-killed", "crash-code-error", "crash-oom", "worker-recycled", "unit-misconfigured",
             "connection-reset", "wrong-protocol")),
    Meaning(("header-too-big",), "upstream sent too big header", "The response headers do not fit into nginx's buffer.",
            ("header-too-big",)),
    Meaning(("header-malformed", "header-forbidden", "status-invalid"), "upstream sent duplicate header line",
            "nginx rejects the headers of the answer.", ("invalid-upstream-headers", "wrong-protocol")),
    Meaning(("not-http",), "upstream sent no valid HTTP/1.0 header",
            "The answer is not HTTP: nginx asks a port with another protocol.",
            ("upstream-expects-tls", "wrong-protocol", "wrong-port", "invalid-upstream-headers")),
    Meaning(("answer-invalid", "answer-unexpected"), "upstream sent invalid FastCGI record type: 7",
            "The answer breaks the rules of the protocol that the pass speaks.",
            ("invalid-upstream-headers", "upstream-expects-tls", "wrong-protocol", "wrong-port")),
    Meaning(("answer-tolerated",), "[warn] upstream sent more data than specified in \"Content-Length\" header",
            "The answer is wrong in part. nginx hands it on all the same, and no request fails."),
    Meaning(("not-http2",), "upstream sent too large http2 frame: 4740180",
            "nginx speaks HTTP/2 to a backend that answers with HTTP/1.",
            ("wrong-protocol", "invalid-upstream-headers")),
    Meaning(("wrong-protocol",), "upstream sent unsupported FastCGI protocol version: 72",
            "nginx speaks another protocol than its backend.", ("wrong-protocol", "invalid-upstream-headers")),
    Meaning(("tls-not-spoken",), "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number)",
            "nginx expects TLS, and the backend answers something else.",
            ("upstream-speaks-http-not-tls", "wrong-port", "wrong-protocol")),
    Meaning(("tls-handshake", "tls-version", "tls-peer-closed", "tls-weak"), "SSL_do_handshake() failed",
            "nginx and the backend cannot agree on TLS.",
            ("tls-mismatch", "upstream-speaks-http-not-tls", "tls-sni-missing", "upstream-expects-tls", "wrong-port",
             "wrong-protocol")),
    Meaning(("tls-alert-name",),
            "SSL_do_handshake() failed (SSL: error:0A000458:SSL routines::tlsv1 unrecognized name)",
            "The backend serves several names over TLS, and nginx sends none of them.", ("tls-sni-missing",)),
    Meaning(("tls-alert-certificate",),
            "SSL_do_handshake() failed (SSL: error:0A00045C:SSL routines::tlsv13 alert certificate required)",
            "The backend demands a certificate of its clients.", ("upstream-expects-tls",)),
    Meaning(("tls-verify", "tls-name"), "upstream SSL certificate verify error",
            "nginx does not trust the certificate of the backend.", ("tls-verify-failed",)),
    Meaning(("no-live-upstreams",), "no live upstreams",
            "Every server of the upstream block failed or is full. Read the lines before this one.",
            ("no-live-upstreams", "backend-down", "overload-saturated", "timeout-too-short", *_CRASHES,
             "unit-misconfigured", "wrong-port", "slow-start")),
    Meaning(("host-not-found",), "host not found in upstream",
            "nginx cannot look a name of its configuration up, so it does not start.",
            ("dns-unresolved", "wrong-host", "network-detached", "nginx-down")),
    Meaning(("name-not-resolved", "resolver-failed"), "could not be resolved (3: Host not found)",
            "nginx's resolver does not know the name.",
            ("dns-unresolved", "backend-down", "network-detached", *_CRASHES)),
    Meaning(("no-resolver",), "no resolver defined to resolve",
            "A name is in a variable, and nginx has no resolver.", ("no-resolver",)),
    Meaning(("socket-family-denied",), "socket() failed (97: Address family not supported by protocol)",
            "A restriction of nginx's unit forbids the kind of socket.", ("sandbox-denied",)),
    Meaning(("files-exhausted", "connect-files-exhausted"), "accept4() failed (24: Too many open files)",
            "A process has reached its limit of open files.", ("fd-exhausted",)),
    Meaning(("log-full", "temp-file-failed"),
            "open() \"/var/lib/nginx/body/0000000012\" failed (13: Permission denied)",
            "nginx cannot use its own files.", ("disk-full", "error-from-config")),
    Meaning(("emerg-bind",), "bind() to 0.0.0.0:80 failed (98: Address already in use)",
            "nginx cannot listen: another process has the port.", ("nginx-down", "nginx-not-reloaded")),
    Meaning(("emerg-open",), "[emerg] open() \"/etc/nginx/snippets/tls.conf\" failed (2: No such file or directory)",
            "nginx cannot read a file that its configuration names.",
            ("nginx-config-invalid", "nginx-down", "disk-full")),
    Meaning(("tls-certificate-file",), "cannot load certificate \"/etc/nginx/tls/ours.pem\": BIO_new_file() failed",
            "nginx cannot read the certificate that it shows its backend, or its key.", ("tls-mismatch",)),
    Meaning(("emerg-config",), "[emerg] unknown directive \"proxy_pas\"",
            "nginx refuses its configuration.", ("nginx-config-invalid", "nginx-down")),
    Meaning(("no-memory",), "malloc(1048576) failed (12: Cannot allocate memory)",
            "nginx gets no memory from the kernel.", ("nginx-own-failure", "nginx-down", "memory-pressure")),
    Meaning(("worker-killed", "worker-failed", "worker-lost", "worker-exited"),
            "worker process 812 exited on signal 9", "nginx lost a worker.", ("nginx-down", "memory-pressure")),
    Meaning(("child-killed",), "unknown process 9 exited on signal 15",
            "A program that the script of this container started beside nginx has ended.",
            ("backend-down", "crash-killed")),
    Meaning(("connections-exhausted",), "768 worker_connections are not enough",
            "A worker of nginx holds as many connections as it may.",
            ("worker-connections-exhausted", "invalid-proxy-target", "backend-hung", "overload-saturated")),
    Meaning(("proxy-bind-failed",), "bind(192.0.2.9) failed (99: Cannot assign requested address)",
            "nginx cannot use the source address that proxy_bind names.", ("invalid-proxy-target",)),
    Meaning(("local-address-exhausted",), "connect() failed (99: Cannot assign requested address)",
            "No port is left for a further connection to this address.",
            ("ephemeral-ports-exhausted", "route-broken", "network-detached")),
    Meaning(("connect-failed", "connecting-other"), "connect() failed (112: Host is down) while connecting to upstream",
            "nginx could not open a connection.",
            ("backend-down", "overload-saturated", "fd-exhausted", "route-broken", "network-detached")),
    Meaning(("socket-failed",), "socket() failed (13: Permission denied)",
            "The kernel gives nginx no socket.", ("nginx-own-failure", "sandbox-denied", "mac-denied")),
    Meaning(("invalid-target",), "invalid port in upstream", "A variable gave nginx an invalid address.",
            ("invalid-proxy-target",)),
    Meaning(("request-impossible",), "thread pool \"disk\" not found",
            "nginx cannot make the request that its configuration wants.", ("invalid-proxy-target",)),
    Meaning(("own-failure",), "setsockopt(SO_RCVBUF) failed (22: Invalid argument)",
            "nginx itself failed: a call of its own, a broken file of its cache, or a defect.",
            ("nginx-own-failure",)),
    Meaning(("limit-requests", "limit-connections"), "limiting requests",
            "nginx rejects visitors by its own limits. This is no gateway error.", ("error-from-config",)),
    Meaning(("backend-stderr",), "FastCGI sent in stderr", "The backend wrote this text. Read its own log."),
    Meaning(("proxy-protocol-broken",), "broken header: \"GET / HTTP/1.0\" while reading PROXY protocol",
            "A listener requires the PROXY protocol, and a connection came without it.", ("proxy-protocol-mismatch",)),
    Meaning(("redirection-cycle", "cache-missing"), "rewrite or internal redirection cycle",
            "nginx cannot do what its configuration says.", ("invalid-proxy-target",)),
    Meaning(("auth-request-failed",), "auth request unexpected status: 502",
            "nginx itself ended the request. The backend was not asked.", ("error-from-config",)),
    Meaning(("name-ignored",), 'conflicting server name "shop.example.com" on 0.0.0.0:80, ignored',
            "Two server blocks have the same name and address. nginx uses the first and never the second.",
            ("wrong-server-block",)),
)

_STATUS = regex(r"(?:(?:http(?:/[\d.]+)?|error|status)[ :]*+)?(502|504)?[ :]*(bad gateway|gateway time-?out)?\Z")
_STATUS_OF = {"bad gateway": "502", "gateway timeout": "504", "gateway time-out": "504"}
STATUS_TEXT = {
    "502": "502 Bad Gateway: nginx reached no backend, or got no valid answer.",
    "504": "504 Gateway Time-out: the backend did not answer in time.",
}
_TIMEOUTS = "timeout-"


class Say(Protocol):
    """What gives one of our texts in the language of the output, by its key and its English."""

    def __call__(self, key: str, english: str, /, **values: object) -> str: ...


def _in_english(key: str, english: str, /, **values: object) -> str:
    return english.format(**values) if values else english


def status_of(text: str) -> str:
    """Return the status, 502 or 504, that the text names; empty if it names none."""
    match = _STATUS.match(" ".join(text.lower().split()))
    return (match[1] or _STATUS_OF.get(match[2] or "", "")) if match else ""


def meanings_of(text: str) -> tuple[Meaning, ...]:
    """Return what a line of nginx's error log may mean; empty if it is no line about a gateway error."""
    kinds = kinds_of_line(text)
    return tuple(dict.fromkeys(meaning for kind in kinds for meaning in MEANINGS if kind in meaning.kinds))


def line_page(meanings: Iterable[Meaning], titles: dict[str, str], say: Say = _in_english) -> str:
    """Return the causes of a line, most likely first, and how to find the one that applies."""
    lines: list[str] = []
    for meaning in meanings:
        lines += [meaning.example, f"  {meaning.text}", ""]
        if meaning.causes:
            heading = say("console/page-causes", "Causes, most likely first")
            lines += [f"  {heading}", *_cause_lines(meaning.causes, titles), ""]
    lines += _next_lines(say)
    return "\n".join(lines) + "\n"


def status_page(status: str, titles: dict[str, str], families: dict[str, list[str]], say: Say = _in_english) -> str:
    """Return what to run for a status, what the lines of error.log mean, and the families of causes."""
    lines = [say(f"console/status {status}", STATUS_TEXT[status]), "", *_next_lines(say), "",
             say("console/without-fixer", "Without fixer: read what nginx logs, then ask `fixer explain 'LINE'`"),
             "  tail -n 5 /var/log/nginx/error.log     # in a container: docker logs --tail 5 NGINX", ""]
    lines += [say("console/page-lines", "The line in error.log, and its most likely causes")]
    for meaning in MEANINGS:
        is_timeout = any(kind.startswith(_TIMEOUTS) for kind in meaning.kinds)
        if meaning.causes and (status == "502" or is_timeout):
            known = [cause for cause in meaning.causes if cause in titles]
            lines += [f"  {meaning.example}", f"      {', '.join(known[:3])}{', …' if len(known) > 3 else ''}"]
    lines += ["", say("console/page-families", "Families of causes")]
    for family, names in families.items():
        lines += [f"  {family}", f"      {', '.join(names)}"]
    hint = say("console/explain-hint", "To read the page of a cause: fixer explain CAUSE")
    return "\n".join([*lines, "", hint]) + "\n"


def _cause_lines(causes: Iterable[str], titles: dict[str, str]) -> list[str]:
    return [f"    {cause:<29} {titles[cause]}" for cause in causes if cause in titles]


def _next_lines(say: Say) -> list[str]:
    return [say("console/page-find", "Find the cause"), "  sudo fixer diagnose                    # nginx on this host",
            "  fixer diagnose compose://PROJECT       # or docker://CONTAINER, ssh://HOST"]

