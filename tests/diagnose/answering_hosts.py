"""For each kind of line a host on which nginx writes it now: what else it shows is what such a host shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fixer.causes.invalid_upstream_headers import BROKEN_KINDS
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import BackendTls, ErrorKind, Span, UpstreamServer
from fixer.model.service import UnitSetting
from fixer.model.snapshot import ErrorEvent, ProbeResult, Snapshot
from fixer.nginx.error_kinds import CONNECT_FAILED
from fixer.nginx.error_log import parse_error_log
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    SITE,
    SLOW,
    TIMED_OUT,
    Scene,
    file,
    healthy_scene,
    probe,
    service,
    stopped_service,
)
from tests.causes.test_backlog_full import knocked
from tests.causes.test_route_broken import away, table
from tests.causes.test_unix_socket_permission import denied, socket
from tests.nginx.message_lines import Line

OWN_PAGE = probe(500, body="<center><h1>500 Internal Server Error</h1></center><hr><center>nginx</center>")
COUNTS: Mapping[ErrorKind, int] = {"timeout-send": 3, "no-live-upstreams": 3, "backlog-full": 4}     # else a visitor's bad luck
Host = Callable[[], Scene]


def events_of(line: Line, count: int = 1, path: str = "/") -> tuple[ErrorEvent, ...]:
    """Return the events of such lines of the last seconds, one for each request."""
    found: list[ErrorEvent] = []
    for number in range(count):
        at = datetime.fromtimestamp(NOW - 5 - number, UTC)
        to = ', upstream: "http://127.0.0.1:8000/"' if "upstream" in line.phase else ""
        text = (f"{at:%Y/%m/%d %H:%M:%S} [{line.level}] 101#101: *{7 + number} {line.text}, client: 203.0.113.9, server: _, "
                f'request: "GET {path} HTTP/1.1"{to}, host: "shop"\n')
        found += parse_error_log(text.encode(), where="/var/log/nginx/error.log", utc_offset=0.0)
    return tuple(found)


def snapshot_with(host: Host, events: tuple[ErrorEvent, ...]) -> Snapshot:
    """Return the host, with these lines in nginx's log."""
    scene = host()
    scene.events = list(events)
    return scene.snapshot()


def failing(page: ProbeResult = BAD_GATEWAY) -> Scene:
    """Every page is nginx's own error, and the backend answers whoever asks it directly."""
    return healthy_scene().answers(page)


def hangs_up() -> Scene:
    """The backend takes connections and closes them, for us as for nginx."""
    return failing().endpoint(tcp=Known(probe()), http=Known(ProbeResult(None, "reset", None, "response", 3.0)))


def no_http() -> Scene:
    """The backend answers everybody, and not with HTTP."""
    heard = ProbeResult(None, "not-http", None, "response", 3.0, first_bytes="ready\r\n")
    return failing().endpoint(tcp=Known(probe()), http=Known(heard))


def late() -> Scene:
    """The backend takes connections and does not answer."""
    return failing(TIMED_OUT).endpoint(http=Known(SLOW))


def closed() -> Scene:
    """Nothing listens: the service was stopped."""
    return Scene().with_service(stopped_service()).refused()


def slow_uploads() -> Scene:
    """Pages are well, and uploads get two seconds."""
    scene = healthy_scene().answers(GOOD)
    scene.route[0] = {"send_timeout": 2.0}
    return scene


def with_directive(before: str, argument: str = "http://127.0.0.1:8000", **route: Any) -> Host:
    """Return a host whose location has a directive before its pass."""
    def made() -> Scene:
        scene = failing(OWN_PAGE)
        text = f"server {{\n    listen 80;\n    location / {{\n        {before}\n        proxy_pass {argument};\n    }}\n}}\n"
        scene.files = [file(SITE, text, real_path="/etc/nginx/sites-available/shop")]
        at = text.index("proxy_pass")
        scene.route[0] = {"source": Span(SITE, text[:at].count("\n") + 1, at, at + 10), "pass_text": argument, **route}
        return scene
    return made


def by_name(**changes: Any) -> Host:
    """Return a host whose pass names the backend, which leads nowhere for nginx."""
    def made() -> Scene:
        return Scene("shop:8000").answers(BAD_GATEWAY).endpoint(**{
            "addresses": Known(("172.18.0.2",)), "listener": Unknown("x"), "tcp": Unknown("x"), "http": Unknown("x"),
            "node": None, "listening_service": None, "configured_service": None, **changes})
    return made


def over_tls(page: ProbeResult = BAD_GATEWAY, heard: ProbeResult | None = None, tls: BackendTls | None = None,
             names: tuple[str, ...] = (), other: ProbeResult | None = None, **end: Any) -> Host:
    """Return a host that passes on with https; `heard` is what our own handshake got."""
    def made() -> Scene:
        scene = failing(page)
        data = scene.files[0].data.replace(b"http://", b"https://")
        scene.files = [replace(scene.files[0], data=data)]
        source = Span(SITE, 3, data.index(b"proxy_pass"), 0)
        scene.route[0] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000", "source": source, "tls": tls or BackendTls(),
                          "servers": (UpstreamServer("127.0.0.1:8000", "127.0.0.1", 8000, None, source),)}
        result = Known(heard) if heard is not None else Unknown("not asked")
        spoken = Known(other or probe(error="closed", phase="head"))
        return scene.endpoint(http=result, tcp=Known(probe()), other_scheme_probe=spoken, proxy_header_probe=spoken,
                              tls_names=tuple((name, heard) for name in names if heard is not None), **end)
    return made


def group_down() -> Scene:
    """Both servers of a group answer again; nginx asks none of them for some seconds."""
    scene = failing().endpoint(addresses=Known(("127.0.0.1", "127.0.0.2")))
    scene.route[0] = {"upstream": "shop", "pass_text": "http://shop",
                      "servers": (UpstreamServer("127.0.0.1:8000", "127.0.0.1", 8000, None, Span(SITE, 2, 0, 0)),)}
    return scene


def without_way(kind: str, errno: int) -> Host:
    """Return a host whose kernel has no way to a backend elsewhere."""
    return lambda: away(table(kind), errno)


def filtered() -> Scene:
    """A filter of system calls in nginx's unit denies connect()."""
    scene = failing()
    scene.nginx["service"] = service("nginx.service", 80, 100, settings=(
        UnitSetting("SystemCallFilter", "~connect", Evidence("unit", "/etc/x.conf:2", "~connect")),))
    return scene


def full_queue() -> Scene:
    """The queue of a unix socket is full now and then."""
    return knocked(queued=0, count=1).endpoint(unix="/run/shop.sock")


def sandboxed() -> Scene:
    """nginx's unit allows no sockets of IPv4."""
    scene = failing(OWN_PAGE)
    where = Evidence("unit", "/etc/systemd/system/nginx.service.d/x.conf:2", "RestrictAddressFamilies=AF_UNIX")
    scene.nginx["service"] = service("nginx.service", 80, 100, is_app_server=False, runtime="", settings=(
        UnitSetting("RestrictAddressFamilies", "AF_UNIX", where),))
    return scene


NO_NAME, HUNG_UP = probe(error="tls", phase="tls"), probe(error="closed", phase="tls")
_HOSTS: Mapping[ErrorKind, Host] = {
    **dict.fromkeys(CONNECT_FAILED, closed),
    "connect-reset": hangs_up,
    "net-unreachable": without_way("THROW", 101), "connect-invalid": without_way("BLACKHOLE", 22),
    "connect-denied": filtered, "connect-not-permitted": filtered, "backlog-full": full_queue,
    **dict.fromkeys(BROKEN_KINDS - {"header-malformed", "header-forbidden"}, no_http),
    "timeout-send": slow_uploads,
    "timeout-read": late, "timeout-body": late,
    "timeout-tls": over_tls(TIMED_OUT, probe(error="slow", phase="tls"), names=("shop.example", ""),
                            other=probe(error="slow", phase="head"), node=None, configured_service=None, listening_service=None),
    **dict.fromkeys(("closed-before-answer", "closed-elsewhere", "reset-before-answer", "read-failed", "reset-while-sending"),
                    hangs_up),
    "closed-in-body": healthy_scene, "reset-in-body": healthy_scene, "chunked-invalid": healthy_scene,
    "tls-not-spoken": over_tls(heard=NO_NAME, other=GOOD),
    **dict.fromkeys(("tls-handshake", "tls-version", "tls-weak", "tls-verify", "tls-name"), over_tls(heard=NO_NAME)),
    "tls-alert-name": over_tls(heard=NO_NAME, names=("",)),
    "tls-alert-certificate": over_tls(heard=NO_NAME),
    "tls-peer-closed": over_tls(heard=HUNG_UP, names=("shop.example", "")),
    "tls-certificate-file": over_tls(OWN_PAGE, tls=BackendTls(certificate="$papers.pem", key="$papers.key")),
    "no-live-upstreams": group_down,
    "name-not-resolved": by_name(), "no-resolver": by_name(),
    "invalid-target": with_directive("set $target shop;", "$target"),
    "cache-missing": with_directive("proxy_cache $pages;"),
    "proxy-bind-failed": with_directive("proxy_bind 192.0.2.9 transparent;"),
    "socket-family-denied": sandboxed,
}
_OWN: frozenset[ErrorKind] = frozenset({
    "request-impossible", "own-failure", "no-memory", "socket-failed", "connect-files-exhausted", "temp-file-failed"})


def host_of(event: ErrorEvent) -> Host:
    """Return a host that writes such a line; by default the page fails and nothing else does."""
    kind = event.kind
    if kind == "connect-denied" and "unix:" in event.message:
        return lambda: denied(socket(0o700), path="/run/shop.sock")
    return _HOSTS.get(kind, (lambda: failing(OWN_PAGE)) if kind in _OWN else failing)
