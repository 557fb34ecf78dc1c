"""Lines of error.log for each message of nginx's source: its words filled in, with the errnos and phases it can have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).with_name("error_messages.tsv")
CONNECT = "connecting to upstream"
TLS = "SSL handshaking to upstream"
SEND = "sending request to upstream"
HEAD = "reading response header from upstream"
BODY = "reading upstream"
TUNNEL = "proxying upgraded connection"
STREAM = "proxying connection"
RESOLVE = "resolving, resolver: 127.0.0.53:53"
VISITOR = "sending to client"
ERRNOS = {
    1: "Operation not permitted", 2: "No such file or directory", 5: "Input/output error",
    11: "Resource temporarily unavailable", 12: "Cannot allocate memory", 13: "Permission denied", 22: "Invalid argument",
    24: "Too many open files", 28: "No space left on device", 30: "Read-only file system", 32: "Broken pipe",
    97: "Address family not supported by protocol", 98: "Address already in use", 99: "Cannot assign requested address",
    100: "Network is down", 101: "Network is unreachable", 104: "Connection reset by peer",
    105: "No buffer space available", 107: "Transport endpoint is not connected", 110: "Connection timed out",
    111: "Connection refused", 112: "Host is down", 113: "No route to host",
}
# What stands in place of nginx's format directives; first what a message needs, then what all may have.
WORDS = {
    '%s in upstream "%V"': 'invalid port in upstream "shop:80x"',
    "%V could not be resolved (%i: %s)": "shop could not be resolved (3: Host not found)",
    'cannot load certificate "%s": %s': 'cannot load certificate "/etc/nginx/tls/ours.pem": BIO_new_file() failed',
    'cannot load certificate key "%s": %s': 'cannot load certificate key "/etc/nginx/tls/ours.key": BIO_new_file() failed',
    "DNS error (%ui: %s), query id:%ui": "DNS error (2: Server failure), query id:7",
    'DNS error (%ui: %s), query id:%ui, name:"%*s"': 'DNS error (2: Server failure), query id:7, name:"shop"',
    "invalid %s DNS response %ui fl:%04Xi": "invalid UDP DNS response 12 fl:8183",
    'upstream sent invalid header: "%*s\\x%02xd..."': 'upstream sent invalid header: "X-A: a\\x00..."',
    "could not allocate new session%s": "could not allocate new session in SSL session shared cache \"shop\"",
    "%V_buffer_size %uz is not enough for cache key, it should be increased to at least %uz":
        "proxy_buffer_size 4096 is not enough for cache key, it should be increased to at least 8192",
    'cache "%V" not found': 'cache "pages" not found',
    "bind(%V) failed": "bind(192.0.2.9) failed",
    "upstream SSL certificate verify error: (%l:%s)": "upstream SSL certificate verify error: (10:certificate has expired)",
    'SSL_set_tlsext_host_name("%s") failed': 'SSL_set_tlsext_host_name("shop.internal") failed',
    'cache file "%s" contains invalid header': 'cache file "/var/cache/nginx/0/00/0000" contains invalid header',
    'upstream SSL certificate does not match "%V"': 'upstream SSL certificate does not match "shop.internal"',
    'SSL_use_certificate("%s") failed': 'SSL_use_certificate("/etc/nginx/tls/ours.pem") failed',
    'SSL_use_PrivateKey("%s") failed': 'SSL_use_PrivateKey("/etc/nginx/tls/ours.key") failed',
    'SSL_set0_chain("%s") failed': 'SSL_set0_chain("/etc/nginx/tls/ours.pem") failed',
    "connect() to %V failed": "connect() to 127.0.0.1:8000 failed",
}
FILE = "/var/lib/nginx/proxy/1/00/0000000001"
PLACEHOLDERS = (("%*s", "text"), ("%04Xi", "8183"), ("%ui", "2"), ("%uz", "4096"), ("%V", "shop"), ("%s", FILE),
                ("%d", "3"), ("%i", "3"), ("%l", "10"), ("%O", "0"), ("%p", "0000"),
                ("%zu", "1"), ("%z", "1"))
_SSL = " (SSL: error:0A000126:SSL routines::unexpected eof while reading)"


@dataclass(frozen=True)
class Row:
    """One message: when nginx writes it, its level, whether an errno follows, its source files, its words."""

    when: str
    level: str
    has_errno: bool
    files: tuple[str, ...]
    words: str

    @property
    def said(self) -> str:
        """The words with values in place of nginx's format directives."""
        text = WORDS.get(self.words, self.words)
        for mark, value in PLACEHOLDERS if text == self.words else ():
            text = text.replace(mark, value)
        return text


@dataclass(frozen=True)
class Line:
    """One line: level, message without errno and phase, errno (0 for none), phase."""

    level: str
    said: str
    errno: int
    phase: str

    @property
    def text(self) -> str:
        """The message as nginx writes it, up to the phase."""
        errno = f" ({self.errno}: {ERRNOS[self.errno]})" if self.errno else ""      # behind all of nginx's own words
        return f"{self.said}{errno}{f' while {self.phase}' if self.phase else ''}"


def rows(when: str) -> list[Row]:
    """Return the messages that nginx writes then: `config`, `start`, `notice` or `run`."""
    found = []
    for line in DATA.read_text(encoding="utf-8").splitlines()[1:]:
        told, levels, errno, files, words = line.split("\t")
        if told == when:
            level = next((one for one in levels.split(",") if one not in ("debug", "emerg")), "emerg")
            found.append(Row(told, level, errno == "errno", tuple(files.split(",")), words))
    return found


_ANSWER = (HEAD, BODY)
_READ, _SENT = (104, 110, 113), (32, 104, 110)
# What a message says by its beginning: the errnos and the phases that it can have. The first row that fits counts.
_RULES: tuple[tuple[str, tuple[int, ...], tuple[str, ...]], ...] = (
    ("kevent() reported that connect", (111,), (CONNECT,)),
    ("kevent() reported that upstream", (104,), (BODY,)),
    ("kevent() reported about", (104,), (HEAD,)),
    ("connect() failed", (111, 113, 101, 110, 104, 100, 112, 107), (CONNECT,)),
    ("connect() to", (13, 1, 22, 99, 101), (CONNECT,)),
    ("socket() failed", (24, 97, 13, 105, 12), (CONNECT,)),
    ("bind(", (99, 98), (CONNECT,)),
    ("setsockopt(TCP_", (22, 105), (SEND,)),
    ("setsockopt(!TCP_", (22,), (SEND,)),
    ("setsockopt(IP", (1,), (CONNECT,)),
    ("setsockopt(", (22, 105), (CONNECT,)),
    ("fcntl(", (22,), (CONNECT,)),
    ("close() socket", (5,), (CONNECT,)),
    ("could not enable transparent", (0,), (CONNECT,)),
    ("ioctl(FIONREAD)", (22,), (HEAD,)),
    ("recv() failed", _READ, (*_ANSWER, TUNNEL)),
    ("readv() failed", _READ, _ANSWER),
    ("SSL_read() failed", (0, 104), _ANSWER),
    ("send() returned zero", (0,), (SEND,)),
    ("send() incomplete", (0,), (RESOLVE,)),
    ("buffer overflow", (0,), (RESOLVE,)),
    ("sendto() failed", (111,), (STREAM,)),
    ("sendto() incomplete", (0,), (STREAM,)),
    ("sendfile() reported", (0,), (SEND,)),
    ("SSL_sendfile() not", (0,), (SEND,)),
    ("SSL_sendfile() reported", (0,), (SEND,)),
    ("send() failed", _SENT, (SEND,)),
    ("writev() failed", _SENT, (SEND,)),
    ("sendfile() failed", _SENT, (SEND,)),
    ("sendmsg() failed", _SENT, (SEND,)),
    ("SSL_write() failed", (0, 32), (SEND,)),
    ("SSL_sendfile() failed", (0, 32), (SEND,)),
    ("SSL_do_handshake()", (0, 104), (TLS,)),
    ("peer closed connection in SSL", (0, 104), (TLS,)),
    ("upstream SSL certificate", (0,), (TLS,)),
    ("upstream timed out", (110,), (CONNECT, TLS, SEND, HEAD, BODY, TUNNEL, STREAM)),
    ("upstream prematurely closed connection", (0,), (HEAD, BODY, TLS)),
    ("upstream prematurely closed", (0,), _ANSWER),
    ("upstream sent invalid chunked", (0,), (BODY,)),
    ("upstream sent data after", (0,), (BODY,)),
    ("upstream sent more data", (0,), (BODY,)),
    ("upstream sent response body", (0,), (BODY,)),
    ("upstream sent too big header", (0,), (HEAD,)),
    ("upstream sent", (0,), (HEAD,)),
    ("upstream violated", (0,), _ANSWER),
    ("upstream rejected", (0,), _ANSWER),
    ("upstream server temporarily", (0,), (HEAD,)),
    ("memcached sent", (0,), (HEAD,)),
    ("FastCGI sent", (0,), (HEAD,)),
    ("invalid header after joining", (0,), (HEAD,)),
    ("no live upstreams", (0,), (CONNECT,)),
    ("cannot load certificate", (0,), (CONNECT,)),
    ("SSL_", (0,), (CONNECT,)),
    ("no connection data", (0,), (CONNECT,)),
    ("client timed out", (110,), (VISITOR,)),
    ("connection timed out", (110,), (STREAM,)),
    ("shutdown() failed", (107,), (STREAM,)),
    ("could not send PROXY", (0,), (CONNECT,)),
    ("buffered data on next", (0,), (STREAM,)),
    ("bad buf in output", (0,), (SEND,)),
    ("file buf in", (0,), (SEND,)),
    ("too many parts", (0,), (STREAM,)),
    ("recycled buffer", (0,), (BODY,)),
    ("password is truncated", (0,), (CONNECT,)),
    ("ngx_ssl_password", (0,), (CONNECT,)),
    ("ignoring stale", (0,), (CONNECT,)),
    ("unlink()", (2,), (BODY,)),
    ("pwritev() \"%s\" has", (0,), (BODY,)),
    ("writev() \"%s\" has", (0,), (BODY,)),
    ("pwritev()", (28, 13), (BODY,)),
    ("writev()", (28, 13), (BODY,)),
    ("pwrite()", (28, 13), ("",)),
    ("write()", (28, 13), ("",)),
    ("pread()", (5,), (SEND,)),
    ("read()", (5,), (SEND,)),
    ("lseek()", (5,), (SEND,)),
)
_SERVER_TLS = ("BIO_new", "EVP_", "HMAC_", "PEM_", "RAND_", "X509_", "SSL_read_early", "SSL_write_early", "handshake rejected",
               "could not allocate new session")
_VISITORS = ("client timed out", "connection timed out", "SSL_read_early", "SSL_write_early", "handshake rejected",
             "SSL_shutdown()")
# How a handshake fails; each has its own remedy.
_HANDSHAKES = ("wrong version number", "tlsv1 alert internal error", "sslv3 alert handshake failure",
               "tlsv1 unrecognized name", "tlsv1 alert protocol version", "tlsv13 alert certificate required",
               "sslv3 alert bad certificate", "dh key too small", "unsafe legacy renegotiation disabled")


def lines_of(row: Row) -> Iterator[Line]:
    """Yield the lines that nginx can write of a message, one for each errno and phase."""
    begin, errnos, phases = next((rule for rule in _RULES if row.words.startswith(rule[0])), ("", (0,), ("",)))
    if row.words.startswith(_SERVER_TLS):
        phases = ("SSL handshaking",)
    if row.files == ("resolver",) and not row.has_errno and "cancel" not in row.words:
        phases = (RESOLVE,)
    level = {"connection": "error", "debug": "alert"}.get(row.level, row.level)
    level = "info" if row.words.startswith(_VISITORS) else level
    for errno in errnos:
        for phase in phases:
            for said in _said(row, errno):
                yield Line(level, said, errno, phase)
    if "resolver" in row.files and begin in ("connect() failed", "connect() to"):
        yield Line("crit", row.said, 111, RESOLVE)
    if begin in ("recv() failed", "send() failed"):
        yield Line("error", row.said, 111, RESOLVE)
    if begin == "connect() to":
        yield from (Line("crit", "connect() to unix:/run/shop.sock failed", errno, CONNECT) for errno in (2, 11, 13, 111))


def _said(row: Row, errno: int) -> Iterator[str]:
    if row.words.startswith("SSL_do_handshake") and not errno:
        yield from (f"{row.said} (SSL: error:0A000000:SSL routines::{how})" for how in _HANDSHAKES)
    elif row.words.startswith("SSL_") and row.words.endswith(" failed") and not errno:
        yield f"{row.said}{_SSL}"
    else:
        yield row.said


def config_line(row: Row) -> str:
    """Return a message about a directive as `nginx -t` prints it: words, file and line."""
    return f"{row.said} in /etc/nginx/sites-enabled/shop:3"
