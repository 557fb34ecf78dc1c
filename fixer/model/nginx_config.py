"""nginx's configuration as its files define it: routes with their spans, problems with file and line."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

# What makes a request lead to an address that a variable holds: every request or the Host and path that the
# configuration names (`config`), only a header, a cookie or an argument (`request`), nothing today (`never`).
Chooser: TypeAlias = Literal["", "config", "request", "never"]
PassKind: TypeAlias = Literal["proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass"]


PAGE_FAILURES = frozenset({403, 404})
"""What visitors get in place of an error page that nginx may not read, or does not find."""


@dataclass(frozen=True, slots=True)
class Span:
    """A byte range [start, end) of one file, with its 1-based line."""

    file: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Listen:
    """One `listen`: address (`0.0.0.0`, `::`, `*` is 0.0.0.0), port, or a unix path in `address` with port 0."""

    address: str
    port: int
    tls: bool
    default_server: bool
    proxy_protocol: bool
    span: Span

    def __str__(self) -> str:
        if self.address.startswith("unix:"):
            return self.address
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UpstreamServer:
    """One address that a pass can lead to. `span` covers exactly the host:port (or unix path) text to edit.
    `written` is that text. `host` is empty for a socket (`unix`). `port` defaults to the scheme's. `variable` names a
    variable whose value the files do not define."""

    written: str
    host: str
    port: int
    unix: str | None
    span: Span
    down: bool = False
    backup: bool = False
    variable: str = ""
    max_fails: int = 1
    max_conns: int = 0
    port_span: Span | None = None  # only the digits of a literal port (may be in a `set`)
    weight: int = 1
    fail_timeout: float = 10.0
    resolves: bool = False  # `resolve`: looked up repeatedly while nginx runs
    group: str = ""  # its `upstream` block
    chosen_by: Chooser = ""  # empty for an address that no variable holds


@dataclass(frozen=True, slots=True)
class KeptConnections:
    """Idle connections that nginx keeps to the servers of an upstream block: how many for each worker, for how many
    seconds. `allowed`: requests of the route leave them open. What is None depends on nginx's version. A time limit can
    be written after the directive at `source`."""

    number: int | None
    seconds: float
    source: Span
    allowed: bool | None = None


@dataclass(frozen=True, slots=True)
class BackendTls:
    """What nginx says of itself in a handshake with the backend, as written: `sends_name` the name of the server, that
    of the pass unless `name` is set. `host` is the header Host, empty for nginx's own. `trusted` is the file of the
    authorities by which it verifies the backend's certificate."""

    sends_name: bool = False
    name: str = ""
    host: str = ""
    certificate: str = ""
    key: str = ""
    trusted: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    r"""A location that hands requests upstream. `id` is r1, r2 … in configuration order.
    `location` is the pattern as written (`/api`, `= /x`, `~ \\.php$`, `@name`). `path` is a request path that matches
    it, None if none could be made (regex, internal). `timeouts` in seconds: connect, send, read."""

    id: str
    kind: PassKind
    scheme: Literal["http", "https"]
    listens: tuple[Listen, ...]
    server_names: tuple[str, ...]
    location: str
    path: str | None
    source: Span
    pass_text: str
    servers: tuple[UpstreamServer, ...]
    upstream: str
    connect_timeout: float
    send_timeout: float
    read_timeout: float
    server_index: int = 0
    internal: bool = False
    shadowed: bool = False  # a file that is tried first for any request may answer all
    upgrades: bool = False  # passes on requests for another protocol (WebSocket)
    http_version: str = ""  # `proxy_http_version` in force, empty for the default of nginx's version
    connection: str | None = None  # the header Connection that it sends, None for nginx's own
    one_try: str = ""  # what prevents a retry on another server after a failed connect, and its location
    auth: str = ""  # the path that `auth_request` asks first, empty without it
    asked_first: bool = False  # `auth_request` of this server leads here
    included: bool = False  # internal, and this server assembles pages of several answers (`ssi`)
    reached_from: tuple[str, ...] = ()  # a server of `stream`: ids of the routes that lead to its listen address
    denies_all: bool = False  # `deny all`: nginx refuses every request, so none reaches the pass
    header_buffer: int = 0  # maximum bytes of a response head, 0 for nginx's default
    buffers: tuple[int, int] = (8, 4096)  # number and size in bytes of the other buffers
    busy_buffers: int = 0  # bytes that may be in transit to the client, 0 if not configured
    masked_by: str = ""  # the error_page that changes the status of a 502 or 504, and its location
    failing_page: str = ""  # the error_page of a 502 or 504 whose own failure changes the status, and its location
    kept: KeptConnections | None = None  # None without an upstream block
    tls: BackendTls = BackendTls()
    mapped_hosts: tuple[tuple[str, ...], ...] = ()  # names that a `map` leads to the same address, by address

    @property
    def is_resolved_at_start(self) -> bool:
        """Return whether nginx resolves the names of its addresses as it starts: those in a variable of the pass, and
        in no upstream block, at each request."""
        return "$" not in self.pass_text or bool(self.upstream)

    @property
    def listen_text(self) -> str:
        """Return the first listen address, as shown to people and used to compare reports."""
        return str(self.listens[0]) if self.listens else "0.0.0.0:80"

    @property
    def listen_scheme(self) -> Literal["http", "https"]:
        """Return the scheme of that address."""
        return "https" if self.listens and self.listens[0].tls else "http"


@dataclass(frozen=True, slots=True)
class StaticLocation:
    """A location that answers without an upstream: `return 502` in a maintenance page, files. Never a fault."""

    server_index: int
    location: str
    returns: int | None
    source: Span
    conditional: bool = False  # inside an `if`


PIPE = "pipe"  # kind of problem: the include is a FIFO, and nginx waits for a writer


# What a line of nginx's error log means; `nginx/error_kinds.py` says which line is of which kind.
ErrorKind: TypeAlias = Literal[
    "refused", "host-unreachable", "net-unreachable", "connect-denied", "connect-not-permitted", "connect-invalid",
    "local-address-exhausted", "connect-timeout-kernel", "socket-missing", "backlog-full", "connect-reset",
    "connect-failed",
    "timeout-connect", "timeout-tls", "timeout-send", "timeout-read", "timeout-body", "timeout-tunnel",
    "closed-before-answer", "closed-in-body", "closed-elsewhere",
    "reset-before-answer", "reset-in-body", "reset-in-tunnel", "read-failed", "reset-while-sending",
    "header-too-big", "header-malformed", "header-forbidden", "status-invalid", "not-http", "chunked-invalid",
    "answer-invalid", "answer-unexpected", "answer-tolerated", "wrong-protocol", "not-http2", "backend-stderr",
    "tls-handshake", "tls-version", "tls-verify", "tls-name", "tls-peer-closed", "tls-certificate-file",
    "tls-alert-name", "tls-alert-certificate", "tls-not-spoken", "tls-weak",
    "no-live-upstreams", "name-not-resolved", "no-resolver", "resolver-failed", "host-not-found",
    "socket-failed", "socket-family-denied", "proxy-bind-failed", "connections-exhausted", "files-exhausted",
    "connect-files-exhausted", "no-memory",
    "invalid-target", "request-impossible", "own-failure", "cache-missing", "redirection-cycle", "auth-request-failed",
    "temp-file-failed", "log-full", "limit-requests", "limit-connections", "proxy-protocol-broken",
    "worker-killed", "worker-failed", "worker-lost", "worker-exited", "child-killed",
    "emerg-bind", "emerg-open", "emerg-config", "name-ignored", "connecting-other", "other",
]


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """A problem that nginx would refuse: `kind` such as `unexpected`, `missing-include`, `unterminated`, `duplicate`.
    `line` is the one that nginx names; `near` the line where the mistake begins (a directive without `;`, a quote
    without end), 0 if unknown. `text` is that line's text."""

    kind: str
    message: str
    file: str
    line: int
    fatal: bool = True
    near: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class ServerBlock:
    """One `server`, in configuration order. `span` covers the word `server`.
    `names_span` is empty and directly before the `;` of its last server_name, where a name can be added (None without
    one)."""

    listens: tuple[Listen, ...]
    names: tuple[str, ...]
    span: Span
    names_span: Span | None

    @property
    def addresses(self) -> set[tuple[str, int]]:
        """Return its listen addresses; without a `listen` there are none."""
        return {(listen.address, listen.port) for listen in self.listens}


@dataclass(frozen=True, slots=True)
class NginxConfig:
    """The effective configuration of one main file."""

    main: str
    files: tuple[str, ...]
    routes: tuple[Route, ...]
    statics: tuple[StaticLocation, ...]
    problems: tuple[ConfigProblem, ...]
    missing: tuple[str, ...]  # literal includes and globs whose files were not in the map
    pid_path: str
    error_logs: tuple[str, ...]
    error_log_level: str
    user: str
    worker_processes: str
    server_names: tuple[tuple[int, tuple[str, ...]], ...] = ()
    logs_to_journal: bool = False  # errors go to stderr, or to the system log's socket
    servers: tuple[ServerBlock, ...] = ()
    cut: bool = False  # the configuration exceeded a limit, and the rest was not read

    def hidden_servers(self) -> frozenset[int]:
        """Return the indexes of servers that get no request: an earlier server has all their names and addresses.
        nginx only warns (`conflicting server name "…", ignored`)."""
        seen: set[tuple[str, int, str]] = set()
        hidden: set[int] = set()
        for index, server in enumerate(self.servers):
            places = {(*address, name) for address in server.addresses for name in (server.names or ("",))}
            if places and places <= seen and not any(listen.default_server for listen in server.listens):
                hidden.add(index)
            seen |= places
        return frozenset(hidden)

    def default_servers(self) -> frozenset[int]:
        """Return the indexes of servers that serve any name at one of their addresses:
        marked `default_server`, or the first there if none is."""
        said: dict[tuple[str, int], int] = {}
        first: dict[tuple[str, int], int] = {}
        for index, server in enumerate(self.servers):
            for listen in server.listens:
                address = (listen.address, listen.port)
                first.setdefault(address, index)
                if listen.default_server:
                    said.setdefault(address, index)
        return frozenset({**first, **said}.values())

    def nameless_servers(self) -> frozenset[int]:
        """Return the indexes of servers without a usable name (none, or `_`) that are no default: no client reaches
        them."""
        nameless = {index for index, server in enumerate(self.servers)
                    if server.listens and not set(server.names) - {"", "_"}}
        return frozenset(nameless - self.default_servers() if nameless else ())


@dataclass(frozen=True, slots=True)
class UnloadedSite:
    """A server in a file that no include matches, with one address that it passes requests to.
    `pattern` is an include for other names in the file's folder, empty if there is none."""

    file: str
    line: int
    names: tuple[str, ...]
    host: str
    port: int
    unix: str | None
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer that nginx keeps in a file of its cache: the path of the page, without its query, and the status.
    `until` is when it expires, in seconds since the epoch, 0 if unknown."""

    path: str
    status: int
    until: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True)
class SourceRun:
    """The bytes `start` to `end` of a generated file. They are the same bytes, from offset `at` of `file` on `node`,
    as its container or the Docker host names it. `variable` carries them there, empty if the template holds them.
    `at` None: they cannot be edited, for the reason `why` (a sentence without an end)."""

    start: int
    end: int
    node: str
    file: str
    at: int | None
    variable: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """A line of a start script that writes a file of nginx (`path`), and what it makes the file of: empty if the line
    does not name that. It is read as text, so that a person can be told; no edit relies on it."""

    node: str
    path: str
    script: str
    line: int
    template: str


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file (`path`, after links) that a container makes of `template` and its variables at each start. Its `runs`
    explain every byte, in order: made again in memory, the file has exactly the bytes that it has now.
    `lost_file` is another file of the configuration that a new container would not have, empty if there is none."""

    node: str
    path: str
    template: str
    runs: tuple[SourceRun, ...]
    lost_file: str = ""
