"""What is known of each application server: its modules, options, protocols, and what it does at start."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

from fixer.formats.addresses import ANY_IPV4
from fixer.formats.numbers import is_number
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.service import CommandArgument, Service


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
PLAIN_DIALECT = Dialect(OTHER_DIALECT.host[:3], ("--port", "--http-port"), OTHER_DIALECT.bind[:3], OTHER_DIALECT.unix)
"""The options that mean where to listen whatever the program is."""
ADDRESS_OPTIONS = frozenset((*PLAIN_DIALECT.port, *PLAIN_DIALECT.bind, *PLAIN_DIALECT.unix))
_LOOPBACK = ("127.0.0.1", 8000)
STARTUP_COMPLETE = "Application startup complete"
SERVER_STARTED, SERVER_FINISHED = "Started server process", "Finished server process"
WORKER_EXITING, MASTER_FINISHED = "Worker exiting", "Shutting down: Master"
WORKER_BOOT_FAILED = "Worker failed to boot"


@dataclass(frozen=True, slots=True)
class ServerLog:
    """Patterns of a server's own log lines. `stops` begin a line, behind its level; `progress` report no fault;
    `failed` say that it gives up its start, though its parent may have listened."""

    starts: tuple[str, ...] = ()
    ready: tuple[str, ...] = ()
    progress: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


_LISTENING = ServerLog(ready=(r"[Ll]istening (?:at|on)\b",))
_DAPHNE = replace(_LISTENING, finished=(r"Killed \d+ pending application instances",),
                  failed=(r"CRITICAL +Listen failure: ",))
_RUNNING = ServerLog(ready=(r"[Rr]unning on (?:(?:unix )?socket )?\S*[:/(]",))     # an address, no other words
_SERVING = ServerLog(ready=(r"[Ss]erving (?:HTTP )?on\b",))
_UVICORN = ServerLog(
    (SERVER_STARTED, r"Started (?:parent|reloader) process", "Waiting for application startup"),
    (STARTUP_COMPLETE, *_RUNNING.ready),
    ("Uvicorn running on", "Will watch for changes", "(?:Waiting for c|C)hild process",
     "Stopping (?:parent|reloader) process"),
    ("Shutting down", "Waiting for (?:connections to close|application shutdown|background tasks)",
     "Application shutdown", "Received SIGTERM, exiting", "Stopping parent process"), (SERVER_FINISHED,),
    ("Application startup failed",))
_GUNICORN = ServerLog(("Starting gunicorn", "Booting worker"), _LISTENING.ready, ("Listening at", "Using worker"),
                      ("Shutting down", "Handling signal: term"), (MASTER_FINISHED,),
                      (WORKER_BOOT_FAILED, "App failed to load"))
_UWSGI = ServerLog((r"\*\*\* Starting uWSGI ",), (r"^WSGI app \d+ \(.*\) ready in \d",), (),
                   ("SIG(?:INT|TERM|QUIT)/SIG(?:INT|TERM|QUIT) received",), (r"^goodbye to uWSGI",),
                   (r"no app loaded\. GAME OVER", r"\[emperor\] curse the uwsgi instance "))


@dataclass(frozen=True, slots=True)
class IdleLimit:
    """How long a server keeps a connection without requests: its option, `seconds` without it, and the name of the
    setting in the server's own file in Python, empty if it has none."""

    option: str
    seconds: float
    setting: str = ""


@dataclass(frozen=True, slots=True)
class ApplicationServer:
    """One server. `modules` are what `python -m` runs beyond its own name."""

    dialect: Dialect = OTHER_DIALECT
    modules: tuple[str, ...] = ()
    protocols: frozenset[str] = frozenset({"http"})
    is_program: bool = True            # a program of that name exists
    package: str = ""                  # of Python, which is the server and nothing else
    appends_host: bool = False         # `--host` may be added at the end of its command
    accepts_at_once: bool = False      # its event loop takes each connection at once, whatever the others wait for
    is_ipv6_only: bool = False         # its socket on `::` takes no IPv4: asyncio sets IPV6_V6ONLY
    notifies_systemd: bool = True      # may tell systemd that it is ready, or alive
    detach_option: str = ""            # the short options for running in the background and for the pid file
    pid_option: str = ""
    tls_options: tuple[str, ...] = ()  # any of them makes it speak TLS; empty if other things can, or nothing is known
    client_certificate: tuple[str, str] = ("", "")     # the option, and its value, that demands one of each client
    log: ServerLog = ServerLog()
    idle: IdleLimit | None = None      # None: unknown
    log_options: tuple[str, ...] = ()  # the file of its own log, which its output then lacks
    busy_options: tuple[str, ...] = ()  # the seconds that a worker may take for a request before its server ends it
    busy_seconds: float = math.inf     # without these options
    interface: str = ""                # of Python's applications that it serves: asgi, wsgi; empty: several or unknown

    def reads_workers_variable(self, name: str) -> bool:
        """Return whether the server itself takes its number of workers from this environment variable."""
        return self.dialect is not OTHER_DIALECT and name in self.dialect.worker_variables


APPLICATION_SERVERS: Mapping[str, ApplicationServer] = {
    "uvicorn": ApplicationServer(
        Dialect(("--host",), ("--port",), (), ("--uds",), ("--workers",), ("UVICORN_HOST", "UVICORN_PORT"),
                ("UVICORN_WORKERS", "WEB_CONCURRENCY"), _LOOPBACK), ("uvicorn.__main__",),
        package="uvicorn", accepts_at_once=True, appends_host=True, is_ipv6_only=True, notifies_systemd=False,
        tls_options=("--ssl-certfile", "--ssl-keyfile"), client_certificate=("--ssl-cert-reqs", "2"),
        log=_UVICORN, idle=IdleLimit("--timeout-keep-alive", 5.0), interface="asgi"),
    "fastapi": ApplicationServer(
        Dialect(("--host",), ("--port",), (), (), ("--workers",), ("", "PORT"), ("WEB_CONCURRENCY",), (ANY_IPV4, 8000)),
        accepts_at_once=True, appends_host=True, is_ipv6_only=True, notifies_systemd=False, log=_UVICORN,
        idle=IdleLimit("", 5.0)),
    "gunicorn": ApplicationServer(
        Dialect((), (), ("-b", "--bind"), (), ("-w", "--workers"), ("", ""), ("WEB_CONCURRENCY",), _LOOPBACK),
        ("gunicorn.app.wsgiapp",), package="gunicorn", detach_option="-D", pid_option="-p",
        tls_options=("--certfile", "--keyfile"), client_certificate=("--cert-reqs", "2"),
        log=_GUNICORN, idle=IdleLimit("--keep-alive", 2.0, "keepalive"), interface="wsgi",
        log_options=("--error-logfile", "--log-file"), busy_options=("--timeout", "-t"), busy_seconds=30.0),
    "hypercorn": ApplicationServer(
        Dialect((), (), ("-b", "--bind"), (), ("-w", "--workers"), default=_LOOPBACK),
        ("hypercorn.__main__",), package="hypercorn", accepts_at_once=True, is_ipv6_only=True, notifies_systemd=False,
        tls_options=("--certfile", "--keyfile"), client_certificate=("--verify-mode", "CERT_REQUIRED"),
        log=_RUNNING, idle=IdleLimit("--keep-alive", 5.0), interface="asgi",
        log_options=("--error-logfile", "--log-file")),
    "daphne": ApplicationServer(
        Dialect(("-b", "--bind"), ("-p", "--port"), (), ("-u", "--unix-socket"), default=_LOOPBACK),
        package="daphne", accepts_at_once=True, is_ipv6_only=True, notifies_systemd=False, log=_DAPHNE,
        interface="asgi"),
    "granian": ApplicationServer(
        Dialect(("--host",), ("--port",), (), ("--uds",), ("--workers",), ("GRANIAN_HOST", "GRANIAN_PORT"),
                ("GRANIAN_WORKERS",), _LOOPBACK),
        package="granian", appends_host=True, is_ipv6_only=True, log=_LISTENING, interface="asgi"),
    "waitress-serve": ApplicationServer(
        Dialect(("--host",), ("--port",), ("--listen",), ("--unix-socket",), ("--threads",), default=(ANY_IPV4, 8080)),
        ("waitress",), package="waitress", notifies_systemd=False, log=_SERVING,
        idle=IdleLimit("--channel-timeout", 120.0), interface="wsgi"),
    "flask": ApplicationServer(
        Dialect(("-h", "--host"), ("-p", "--port"), variables=("FLASK_RUN_HOST", "FLASK_RUN_PORT"),
                default=("127.0.0.1", 5000)),
        appends_host=True, notifies_systemd=False, log=_RUNNING),
    "django": ApplicationServer(
        Dialect(positional=True, default=_LOOPBACK), ("django",), is_program=False, notifies_systemd=False),
    "http.server": ApplicationServer(
        Dialect(("-b", "--bind"), (), positional=True, default=(ANY_IPV4, 8000)), ("http.server",), is_program=False,
        log=_SERVING),
    "uwsgi": ApplicationServer(
        Dialect((), (), ("--http", "--http-socket", "--socket", "-s", "--uwsgi-socket", "--fastcgi-socket",
                         "--scgi-socket"), (),
                ("-p", "--processes", "--workers")),
        protocols=frozenset({"http", "uwsgi"}), detach_option="-d", log=_UWSGI,
        interface="wsgi", busy_options=("--harakiri", "-t"),
        log_options=("--logto", "--logto2", "--daemonize", "--daemonize2", "-d", "--logger")),
    "sanic": ApplicationServer(
        Dialect(("-H", "--host"), ("-p", "--port"), workers=("-w", "--workers"), default=_LOOPBACK),
        accepts_at_once=True, is_ipv6_only=True, notifies_systemd=False),
    "puma": ApplicationServer(
        Dialect((), ("-p", "--port"), ("-b", "--bind"), (), ("-w", "--workers"), ("", "PORT"), ("WEB_CONCURRENCY",),
                (ANY_IPV4, 9292)), log=_LISTENING),
    "php-fpm": ApplicationServer(protocols=frozenset({"fastcgi"})),
    "unicorn": ApplicationServer(), "thin": ApplicationServer(), "robyn": ApplicationServer(),
    "litestar": ApplicationServer(),
}
_UNKNOWN = ApplicationServer(protocols=frozenset())


# What uWSGI's sockets take: an option's own protocol, or the one that `protocol` names for all plain sockets.
UWSGI_PROTOCOL_KEYS = ("protocol", "socket-protocol")
_UWSGI_SOCKETS = {"http": "http", "http-socket": "http", "uwsgi-socket": "uwsgi", "fastcgi-socket": "fastcgi",
                  "scgi-socket": "scgi"}


def uwsgi_protocol(option: str, named: str) -> str:
    """Return what a socket that this option opens takes, where `protocol` names `named`, both without dashes; empty
    for any other protocol."""
    spoken = _UWSGI_SOCKETS.get(option, named or "uwsgi")
    return spoken if spoken in _UWSGI_SOCKETS.values() else ""


def arguments_of(service: Service) -> tuple[CommandArgument, ...]:
    """Return the arguments that its server reads, with their positions: of two that contradict, the last counts."""
    return (*service.variable_arguments, *service.command)


def busy_limit_of(service: Service) -> float:
    """Return the seconds after which its server ends a worker that is busy with one request; inf if it has no such
    limit, or none is known."""
    server = server_of(service.runtime)
    seconds = server.busy_seconds
    words = [word.text for word in arguments_of(service)]
    words += () if service.command else service.argv
    for word, after in zip_longest(words, words[1:], fillvalue=""):
        name, is_joined, value = word.partition("=")
        given = value if is_joined else after
        if name in server.busy_options and is_number(given):
            seconds = float(given) or math.inf
    return seconds


def certificate_file_of(service: Service) -> str:
    """Return the path of the certificate that its options name, empty if they name none by its whole path."""
    options = server_of(service.runtime).tls_options[:1]
    words, found = [word.text for word in arguments_of(service)], ""
    for word, after in zip_longest(words, words[1:], fillvalue=""):
        name, is_joined, value = word.partition("=")
        found = (value if is_joined else after) if name in options else found
    return found if found.startswith("/") else ""


def server_of(runtime: str) -> ApplicationServer:
    """Return the server's row; one with nothing but the usual options for a program that is no known server."""
    return APPLICATION_SERVERS.get(runtime, _UNKNOWN)


_INTERFACES = ("asgi", "wsgi", "uvicorn")      # in the value of an option, and what it means for the last


def interface_of(runtime: str, argv: Sequence[str]) -> str:
    """Return the interface of the applications that a command serves, by its options (gunicorn's worker class), else by
    its server; empty if unknown."""
    for word, value in zip(argv, (*argv, "")[1:], strict=True):
        name, equals, glued = word.partition("=")
        if name in ("-k", "--worker-class", "--interface"):
            text = (glued if equals else value).lower()
            named = next((kind for kind in _INTERFACES if kind in text), "")
            return "asgi" if named == "uvicorn" else named or server_of(runtime).interface
    return server_of(runtime).interface


def log_phrases(phrases_of: Callable[[ServerLog], tuple[str, ...]]) -> str:
    """Return the pattern of what the servers log of one kind."""
    found = (phrase for server in APPLICATION_SERVERS.values() for phrase in phrases_of(server.log))
    return "|".join(dict.fromkeys(found))
