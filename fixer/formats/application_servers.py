"""What is known of each application server: its modules, options, protocols, and what it does at start."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.formats.addresses import ANY_IPV4
from fixer.lazy.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """The options and variables that say where a server listens. `bind` options take host:port, `variables` are the
    names for (host, port)."""

    host: tuple[str, ...] = ()
    port: tuple[str, ...] = ()
    bind: tuple[str, ...] = ()
    unix: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    variables: tuple[str, str] = ("", "")
    worker_variables: tuple[str, ...] = ()
    default: tuple[str, int] | None = None
    positional: bool = False           # [ADDRESS:]PORT as a bare word


OTHER_DIALECT = Dialect(("--host", "--address", "--bind-address", "-H"), ("--port", "-p", "--http-port"),
                        ("--bind", "--listen", "--addr", "-b"), ("--uds", "--unix-socket", "--socket"),
                        ("--workers", "-w"), ("HOST", "PORT"), ("WEB_CONCURRENCY",), None, positional=True)
_LOOPBACK = ("127.0.0.1", 8000)


@dataclass(frozen=True, slots=True)
class ApplicationServer:
    """One server. `modules` are what `python -m` runs beyond its own name."""

    dialect: Dialect = OTHER_DIALECT
    modules: tuple[str, ...] = ()
    protocols: frozenset[str] = frozenset({"http"})
    is_program: bool = True            # a program of that name exists
    appends_host: bool = False         # `--host` may be added at the end of its command
    is_ipv6_only: bool = False         # its socket on `::` takes no IPv4: asyncio sets IPV6_V6ONLY
    notifies_systemd: bool = True      # may tell systemd that it is ready, or alive
    detach_option: str = ""            # the short options for running in the background and for the pid file
    pid_option: str = ""

    def reads_workers_variable(self, name: str) -> bool:
        """Return whether the server itself takes its number of workers from this environment variable."""
        return self.dialect is not OTHER_DIALECT and name in self.dialect.worker_variables


APPLICATION_SERVERS: Mapping[str, ApplicationServer] = {
    "uvicorn": ApplicationServer(
        Dialect(("--host",), ("--port",), (), ("--uds",), ("--workers",), ("UVICORN_HOST", "UVICORN_PORT"),
                ("UVICORN_WORKERS", "WEB_CONCURRENCY"), _LOOPBACK),
        ("uvicorn.__main__",), appends_host=True, is_ipv6_only=True, notifies_systemd=False),
    "fastapi": ApplicationServer(
        Dialect(("--host",), ("--port",), (), (), ("--workers",), ("", "PORT"), ("WEB_CONCURRENCY",), (ANY_IPV4, 8000)),
        appends_host=True, is_ipv6_only=True, notifies_systemd=False),
    "gunicorn": ApplicationServer(
        Dialect((), (), ("-b", "--bind"), (), ("-w", "--workers"), ("", ""), ("WEB_CONCURRENCY",), _LOOPBACK),
        ("gunicorn.app.wsgiapp",), detach_option="-D", pid_option="-p"),
    "hypercorn": ApplicationServer(
        Dialect((), (), ("-b", "--bind"), (), ("-w", "--workers"), default=_LOOPBACK),
        ("hypercorn.__main__",), is_ipv6_only=True, notifies_systemd=False),
    "daphne": ApplicationServer(
        Dialect(("-b", "--bind"), ("-p", "--port"), (), ("-u", "--unix-socket"), default=_LOOPBACK),
        is_ipv6_only=True, notifies_systemd=False),
    "granian": ApplicationServer(
        Dialect(("--host",), ("--port",), (), ("--uds",), ("--workers",), ("GRANIAN_HOST", "GRANIAN_PORT"),
                ("GRANIAN_WORKERS",), _LOOPBACK),
        appends_host=True, is_ipv6_only=True),
    "waitress-serve": ApplicationServer(
        Dialect(("--host",), ("--port",), ("--listen",), ("--unix-socket",), ("--threads",), default=(ANY_IPV4, 8080)),
        ("waitress",), notifies_systemd=False),
    "flask": ApplicationServer(
        Dialect(("-h", "--host"), ("-p", "--port"), variables=("FLASK_RUN_HOST", "FLASK_RUN_PORT"),
                default=("127.0.0.1", 5000)),
        appends_host=True, notifies_systemd=False),
    "django": ApplicationServer(
        Dialect(positional=True, default=_LOOPBACK), ("django",), is_program=False, notifies_systemd=False),
    "http.server": ApplicationServer(
        Dialect(("-b", "--bind"), (), positional=True, default=(ANY_IPV4, 8000)), ("http.server",), is_program=False),
    "uwsgi": ApplicationServer(
        Dialect((), (), ("--http", "--http-socket", "--socket", "-s", "--uwsgi-socket"), (),
                ("-p", "--processes", "--workers")),
        protocols=frozenset({"http", "uwsgi"}), detach_option="-d"),
    "sanic": ApplicationServer(
        Dialect(("-H", "--host"), ("-p", "--port"), workers=("-w", "--workers"), default=_LOOPBACK),
        is_ipv6_only=True, notifies_systemd=False),
    "puma": ApplicationServer(
        Dialect((), ("-p", "--port"), ("-b", "--bind"), (), ("-w", "--workers"), ("", "PORT"), ("WEB_CONCURRENCY",),
                (ANY_IPV4, 9292))),
    "php-fpm": ApplicationServer(protocols=frozenset({"fastcgi"})),
    "unicorn": ApplicationServer(), "thin": ApplicationServer(), "robyn": ApplicationServer(),
    "litestar": ApplicationServer(),
}
_UNKNOWN = ApplicationServer(protocols=frozenset())


def server_of(runtime: str) -> ApplicationServer:
    """Return the server's row; one with nothing but the usual options for a program that is no known server."""
    return APPLICATION_SERVERS.get(runtime, _UNKNOWN)
