"""nginx's configuration as its files say it: routes with their places, problems with file and line."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

PassKind: TypeAlias = Literal["proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass"]


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

    `written` is that text. host `` with `unix` set for a socket. `port` is the default of the scheme when not
    written. `variable` names the variable whose value is not known from the files.
    """

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
    port_span: Span | None = None    # only the digits of the port, where written literally (may lie in a `set`)
    weight: int = 1
    fail_timeout: float = 10.0
    resolves: bool = False           # `resolve`: looked up again and again while nginx runs
    group: str = ""                  # the `upstream` block it stands in


@dataclass(frozen=True, slots=True)
class Route:
    """A location that hands requests upstream. `id` is r1, r2 … in configuration order.

    `location` is the pattern as written (`/api`, `= /x`, `~ \\.php$`, `@name`); `path` a request path that lands in
    it, None when none could be made (regex, internal). `timeouts` in seconds: connect, send, read.
    """

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
    shadowed: bool = False      # a file that is looked for first, whatever is asked, may answer for all
    upgrades: bool = False      # hands on what asks for another protocol (WebSocket)
    one_try: str = ""           # what keeps nginx from asking another server where a connection fails, and its place
    auth: str = ""              # the path that `auth_request` asks first, empty where it does not
    asked_first: bool = False   # `auth_request` of this server leads here
    included: bool = False      # internal, and pages of this server are put together of several answers (`ssi`)
    reached_from: tuple[str, ...] = ()    # a server of `stream`: the ids of the routes that lead to where it listens
    denies_all: bool = False        # `deny all`: nginx lets nobody in, so nobody gets as far as the pass
    header_buffer: int = 0      # bytes that the head of an answer may have, 0 where nginx's own default holds
    buffers: tuple[int, int] = (8, 4096)    # how many others, and of how many bytes each
    busy_buffers: int = 0       # bytes that may be on their way to the visitor, 0 where nothing is said
    masked_by: str = ""         # the error_page that gives a 502 or 504 another status, and its place

    @property
    def listen_text(self) -> str:
        """The first listen address, as shown to people and used to compare reports."""
        return str(self.listens[0]) if self.listens else "0.0.0.0:80"

    @property
    def listen_scheme(self) -> Literal["http", "https"]:
        """How that address is spoken to."""
        return "https" if self.listens and self.listens[0].tls else "http"


@dataclass(frozen=True, slots=True)
class StaticLocation:
    """A location that answers without an upstream: `return 502` in a maintenance page, files. Never a fault."""

    server_index: int
    location: str
    returns: int | None
    source: Span
    conditional: bool = False        # inside an `if`


PIPE = "pipe"      # kind of a problem: what is included is no file, and nginx waits there for whoever writes into it


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """Something nginx would refuse: `kind` such as `unexpected`, `missing-include`, `unterminated`, `duplicate`.

    `line` is the one nginx names (where it gave up); `near` the line where the mistake itself begins (the directive
    without its `;`, the quote that never closes), 0 where nothing better is known. `text` is that line's text.
    """

    kind: str
    message: str
    file: str
    line: int
    fatal: bool = True
    near: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class ServerBlock:
    """One `server`, in configuration order. `span` is the word itself; `names_span` is empty and lies just before the
    `;` of its last server_name, where another name can be written (None without a server_name)."""

    listens: tuple[Listen, ...]
    names: tuple[str, ...]
    span: Span
    names_span: Span | None

    @property
    def addresses(self) -> set[tuple[str, int]]:
        """Where it listens; without a `listen` nobody is asked for."""
        return {(listen.address, listen.port) for listen in self.listens}


@dataclass(frozen=True, slots=True)
class NginxConfig:
    """The effective configuration below one main file."""

    main: str
    files: tuple[str, ...]
    routes: tuple[Route, ...]
    statics: tuple[StaticLocation, ...]
    problems: tuple[ConfigProblem, ...]
    missing: tuple[str, ...]                 # literal includes and globs whose files were not in the map
    pid_path: str
    error_logs: tuple[str, ...]
    error_log_level: str
    user: str
    worker_processes: str
    server_names: tuple[tuple[int, tuple[str, ...]], ...] = ()
    logs_to_journal: bool = False      # errors go to stderr, or to the socket that is the system's log
    servers: tuple[ServerBlock, ...] = ()
    cut: bool = False                        # there was more than may be held, and the rest was not read

    def hidden_servers(self) -> frozenset[int]:
        """The indexes of servers that get no request: an earlier one has each of their names at each of their
        addresses. nginx only warns (`conflicting server name "…", ignored`)."""
        seen: set[tuple[str, int, str]] = set()
        hidden: set[int] = set()
        for index, server in enumerate(self.servers):
            places = {(*address, name) for address in server.addresses for name in (server.names or ("",))}
            if places and places <= seen and not any(listen.default_server for listen in server.listens):
                hidden.add(index)
            seen |= places
        return frozenset(hidden)

    def default_servers(self) -> frozenset[int]:
        """The indexes of servers that take requests for any name at one of their addresses: by their own word, or as
        the first where nobody says so."""
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
        """The indexes of servers that have no name by which anybody asks (none, or `_`) and are the default nowhere:
        no visitor gets there."""
        nameless = {index for index, server in enumerate(self.servers)
                    if server.listens and not set(server.names) - {"", "_"}}
        return frozenset(nameless - self.default_servers() if nameless else ())


@dataclass(frozen=True, slots=True)
class UnloadedSite:
    """A server of a file that lies beside the configuration and that no include matches, with one address which it
    hands requests to. `pattern` is an include that looks into the file's folder for other names, empty without one."""

    file: str
    line: int
    names: tuple[str, ...]
    host: str
    port: int
    unix: str | None
    pattern: str = ""
