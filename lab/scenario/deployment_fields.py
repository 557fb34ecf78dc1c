"""A deployment: all that a seed and a scenario decide about a lab. Each field is a parameter of the templates.

`Deployment` is what was drawn. `CompleteDeployment` also holds what follows from it: addresses, paths, commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from lab.errors import ScenarioError
from lab.scenario.scenario_file import Stack
from lab.scenario.stack_fields import (
    CombinedPaths,
    CombinedStructure,
    ContainersPaths,
    ContainersStructure,
    HostPaths,
    HostStructure,
    foreign_fields,
)
from lab.scenario.templates import Value

TARGET = "app.main:app"  # the application, as Python's servers name it
_TABLES = ("own", "images")  # fields that hold several parameters
_IMAGE = "image_"  # before an image's name: the parameter that holds its tag


@dataclass(frozen=True, kw_only=True)
class Structure:
    """How the deployment is built, on every stack."""

    route_style: Literal["literal", "upstream", "map", "variable", "group"]
    place: Literal["link", "confd", "snippet", "main", "nested"]  # where the route's address stands
    quote: Literal["", '"', "'"]  # around the route's address
    remark: Literal["none", "above", "behind"]
    decoy: Literal["none", "commented", "unused_file"]
    locations: str  # all, split; once complete: their text
    port_place: Literal["command", "dropin", "envfile", "wrapper", "environment"]
    env_place: Literal["unit", "envfile", "env_file", "environment", "dotenv"]
    secret_check: Literal["index", "message"]
    second_site: bool
    stranger: bool  # a neighbour program
    restart_policy: str


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names of the deployment's parts, none of which reveals its state."""

    word: str
    unit: str
    backend: str
    web: str
    user: str
    home: str
    server_name: str
    title: str
    login: str
    password: str
    secret_name: str
    secret: str
    site_name: str
    second: str
    second_unit: str
    second_home: str
    second_name: str
    second_title: str
    second_secret: str
    neighbour: str
    visit_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Ports; 0: none, or the application's own."""

    port: int
    route_port: int
    second_port: int
    neighbour_port: int
    old_port: int
    beside_port: int = 0  # port of the neighbour program; in containers in the network of nginx's own
    asked_port: int = 0
    front_port: int = 0
    outer_port: int = 0
    other_outer_port: int = 0
    inside_port: int = 0


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes and times."""

    workers: int
    connect_timeout: int  # seconds
    read_timeout: int  # seconds
    report_mode: Literal["async", "block", "rows", "thread"] = "async"
    report_seconds: float = 0.05
    start_seconds: float = 0  # until the application serves, if a scenario delays it
    startsecs: int = 1  # supervisord's option
    syn_retries: int = 0  # retries of a connect by its kernel; 0: the kernel's default
    health_interval: str = "10s"
    health_start: str = "30s"


@dataclass(frozen=True, kw_only=True)
class Database:
    """The application's database; `database` is True if a scenario stores records in PostgreSQL."""

    db_service: str
    db_name: str
    db_user: str
    db_password: str
    db_variable: str
    db_wants: bool
    database: bool = False
    asked_host: str = ""  # the application's setting, if it differs
    asked_name: str = ""
    asked_password: str = ""


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What a machine's root may do beyond Docker's default."""

    ptrace: bool = False  # root sees whose socket is whose
    kernel_log: bool = False  # as on a real host
    net_admin: bool = False  # its own packet filter and routes
    sys_admin: bool = False  # systemd can give a unit its own network
    own_mounts: bool = False  # the same, and its own mounts: also if AppArmor denies them to containers
    bpf: bool = False  # systemd can filter the packets of a unit
    capabilities: str = ""  # all of them, as `cap_add` lists them


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Networks of a Compose project, and of its parts."""

    listen: str = "80"
    icc: Literal["on", "off"] = "on"  # whether containers of a network may talk to each other
    backend_network: Literal["inside", "host", "web", "store"] = "inside"  # the Docker host's; nginx's container's
    web_network: Literal["own", "host"] = "own"  # `host`: nginx shares the Docker host's network, on free ports
    published: Literal["right", "no", "other"] = "right"  # target of the application's published port then
    gateway: Literal["none", "known"] = "none"  # whether nginx's container knows the Docker host's name
    own_address: str = "127.0.0.1"  # address of a container's health check of its application
    resolver: str = "127.0.0.11"  # Docker's own, if a variable holds a route's address
    stranger_program: str = "neighbour"
    stranger_alias: bool = False  # the neighbour program has a name
    log_volume: bool = False  # nginx's container has a small volume for logs, of 64 KiB
    nginx: Literal["", "1.30"] = ""  # nginx's version, if it is not Debian 13's own
    main_mounted: bool = False  # nginx's main file belongs to the deployment: in containers it is mounted
    app_certificate: bool = False  # a certificate is mounted into the application's container, for its server


@dataclass(frozen=True, kw_only=True)
class Program:
    """How the application starts. What is empty is the deployment's own."""

    manager: Literal["systemd", "supervisord", "nohup", "rc.local", "init.d", "entrypoint"] = "systemd"
    server: Literal["uvicorn", "gunicorn", "node"] = "uvicorn"
    target: str = TARGET
    server_options: str = ""
    server_flags: str = ""  # of nginx's `server` line in an upstream
    with_secret: bool = True
    redirect: bool = False  # supervisord writes the log beside its own
    instance: str = ""  # of a template unit; empty for other units
    run_as: str = ""
    group: str = ""
    workdir: str = ""
    venv: str = ""
    unit_extra: str = ""
    route_host: str = ""
    program_inside: str = ""
    bind_inside: str = "0.0.0.0"  # noqa: S104  inside the compose network


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Less usual deployments."""

    six: bool | str = False  # an IPv6 listener; in one scenario the address that a fault binds
    tls: bool = False
    unix: bool = False
    activation: bool = False
    certificate: str = ""
    certificate_key: str = ""
    releases: bool = False
    release: str | int = "20261102-0915"  # an int if a scenario draws a number
    older_release: str = "20260928-1740"


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Unrelated activity."""

    noise_site: bool = False
    noise_listener: bool = False
    noise_job: bool = False
    noise_scan: bool = False
    noise_name: str = ""
    noise_host: str = ""
    noise_listener_name: str = ""
    noise_job_name: str = ""
    noise_port: int = 0
    tempting_port: int = 0


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A machine of a class: it reaches nothing but its own door, and has limits. The class sets them, no draw."""

    closed: bool = False
    cgroup_parent: str = ""
    own_cgroups: str = ""  # the mounts of what it may write, as lines of the compose file
    memory_cap: int = 0  # bytes
    pids_cap: int = 0
    file_cap: int = 0  # bytes of the largest file


@dataclass(frozen=True, kw_only=True)
class Deployment(Closed, Noise, Ways, Program, Networks, Rights, Database, Sizes, Ports, Names, CombinedStructure,
                 ContainersStructure, HostStructure, Structure):
    """What was drawn. `own` holds the parameters that only this scenario has."""

    stack: Stack
    own: Mapping[str, Value] = field(default_factory=dict)

    def template_values(self) -> dict[str, Value]:
        """Return every parameter by name, as templates and files on disk have them; none of other stacks alone."""
        foreign = foreign_fields(self.stack)
        return {name: value for name, value in vars(self).items()
                if name not in _TABLES and (value or name not in foreign)} | dict(self.own)

    def taken_ports(self) -> frozenset[Value]:
        """Return the ports of all its parts, also of those that a scenario adds."""
        return frozenset(value for name, value in self.template_values().items() if name.endswith("port"))

    @classmethod
    def from_values(cls, values: Mapping[str, Value]) -> Self:
        """Return the deployment of a record. One of another version may lack some parameters: they are empty."""
        empty: dict[str, Any] = {one.name: _types()[one.name][0]() for one in fields(cls)
                                 if one.default is MISSING and one.default_factory is MISSING}
        return _changed(cls(**empty), values)


@dataclass(frozen=True, kw_only=True)
class CompleteDeployment(CombinedPaths, ContainersPaths, HostPaths, Deployment):
    """A deployment with all that follows from what was drawn."""

    id: str = ""
    state: str = ""  # the label that says whose lab it is
    images: Mapping[str, str] = field(default_factory=dict)  # tags by name
    mate_port: int = 0
    mate_unit: str = ""
    address: str = ""  # the host that nginx asks
    hop: str = ""  # the same with its port or socket
    plain_listen: str = ""
    front: int = 0
    certificate_file: str = ""
    key_file: str = ""
    second_address: str = ""
    noise_address: str = ""
    health_port: int = 0
    locations_style: str = ""
    behind: str = ""
    password_hash: str = ""
    db_url: str = ""
    right_db_url: str = ""
    db_after: str = ""
    db_in_unit: bool = False
    command: str = ""
    app_folder: str = ""  # of the application's code, for the steps of scenarios
    snippet: str = ""
    site: str = ""
    site_read: str = ""
    site_file: str = ""
    beside: str = ""  # the unit or container next to the application

    def template_values(self) -> dict[str, Value]:
        """Return every parameter by name, those of the images too."""
        return super().template_values() | {f"{_IMAGE}{name}": tag for name, tag in self.images.items()}


D = TypeVar("D", bound=Deployment)

if TYPE_CHECKING:
    from dataclasses import replace as replace  # noqa: PLC0414  other modules take it from here
else:

    def replace(deployment, /, **changes):
        """Return a copy with other values: the standard function asks for each of a hundred fields."""
        values = vars(deployment)
        if unknown := changes.keys() - values.keys():
            raise TypeError(f"no field: {', '.join(sorted(unknown))}")
        made = object.__new__(type(deployment))
        vars(made).update(values, **changes)
        return made


def with_values(deployment: D, values: Mapping[str, Value]) -> D:
    """Return a deployment with these parameters. One that is no field is the scenario's own.
    Raise ScenarioError for a value that a field cannot have."""
    for name, value in values.items():
        if problem := value_problem(name, value):
            raise ScenarioError(f"{name}: {problem}")
    return _changed(deployment, values)


def _changed(deployment: D, values: Mapping[str, Value]) -> D:
    known: dict[str, Any] = {name: value for name, value in values.items()
                             if name not in _TABLES and name in vars(deployment)}
    others = {name: value for name, value in values.items() if name not in known}
    if isinstance(deployment, CompleteDeployment):
        images = {name: str(others.pop(name)) for name in list(others) if name.startswith(_IMAGE)}
        known["images"] = {**deployment.images, **{name.removeprefix(_IMAGE): tag for name, tag in images.items()}}
    return replace(deployment, **known, own={**deployment.own, **others})


def value_problem(name: str, value: Value) -> str:
    """Return why the parameter cannot have that value; empty if it can, and for a scenario's own parameter."""
    allowed = _types().get(name, ())
    words = _words().get(name)
    if words and value not in words:
        return f"{value!r} is none of {', '.join(map(repr, words))}"
    if not allowed or type(value) in allowed or (type(value) is int and float in allowed):
        return ""
    return f"{value!r} is no {' or '.join(_TYPE_NAMES[kind] for kind in allowed)}"


def is_drawn(name: str) -> bool:
    """Return whether a parameter is one that is drawn, and that a scenario may set."""
    return name in drawn_names()


def is_derived(name: str) -> bool:
    """Return whether a parameter follows from others, so that setting it has no effect."""
    return not is_drawn(name) and (name in _types() or name.startswith(_IMAGE))


@cache
def drawn_names() -> frozenset[str]:
    """Return the names of all parameters that a scenario may set."""
    return frozenset(one.name for one in fields(Deployment)).difference(_TABLES, ["stack"])


_TYPE_NAMES: Mapping[type, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}


@cache
def _types() -> Mapping[str, tuple[type, ...]]:
    """Return the types that each parameter may have."""
    return {name: _types_in(hint) for name, hint in get_type_hints(CompleteDeployment).items() if name not in _TABLES}


def _types_in(hint: Any) -> tuple[type, ...]:
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for part in get_args(hint) for kind in _types_in(part))
    return (str,) if get_origin(hint) is Literal else (hint,)


@cache
def _words() -> Mapping[str, tuple[str, ...]]:
    """Return the only values of those parameters that have such a list."""
    hints = get_type_hints(CompleteDeployment)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
