"""Containers from `docker inspect`: state, command, networks and mounts; names of variables, never their values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from fixer.formats.folders import is_within
from fixer.formats.launchers import starts_init
from fixer.formats.name_files import NAME_FILES
from fixer.formats.numbers import is_number
from fixer.formats.service_log import parse_time
from fixer.lazy.regex import regex
from fixer.model.query import Answer
from fixer.model.snapshot import Container
from fixer.redaction.secrets import redact_text

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"
_HEALTH_PORT_URL = regex(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):(\d{1,5})\b")
_RUNC_PREFIX = regex(r"^(?:OCI runtime exec failed: |exec failed: |unable to start container process: )+")
_SITE_NAME = regex(r"^(?:\*\.)?[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.[a-z][a-z0-9-]{1,62}$")
_MOST_NAMES = 2000      # characters of such a value
_HOST_SEPARATOR = regex(r"[:=]")     # `name:address`, or with an equals sign


def parse_inspect(answer: Answer | None) -> tuple[Container, ...]:
    """Return every container of a docker inspect answer, without objects that have no Id."""
    return tuple(_make_container(item) for item in inspect_objects(answer))


def inspect_objects(answer: Answer | None) -> list[Mapping[str, Json]]:
    """Return the raw objects of a docker inspect answer."""
    if answer is None or not answer.data:
        return []
    try:
        data = json.loads(answer.data)
    except (ValueError, RecursionError):
        return []
    items = data if isinstance(data, list) else [data]
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("Id"), str)]


def inspect_environment(item: Mapping[str, Json]) -> dict[str, str]:
    """Return NAME -> value of Config.Env: for finding ports and hosts, never stored."""
    return dict(e.split("=", 1) for e in string_list(value_at(item, "Config", "Env")) if "=" in e)


def value_at(item: Json, *path: str) -> Json:
    """Return the value at a path of keys, None if a key is missing."""
    for key in path:
        if not isinstance(item, Mapping):
            return None
        item = item.get(key)
    return item


def text_at(item: Json, *path: str) -> str:
    """Return the string at a path, empty if there is none."""
    value = value_at(item, *path)
    return value if isinstance(value, str) else ""


def number_at(item: Json, *path: str) -> int:
    """Return the integer at a path, 0 if there is none."""
    value = value_at(item, *path)
    return value if isinstance(value, int) else 0


def string_list(value: Json) -> list[str]:
    """Return the strings of a list."""
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _make_container(item: Mapping[str, Json]) -> Container:
    labels = {k: v for k, v in _mapping(value_at(item, "Config", "Labels")).items() if isinstance(v, str)}
    argv = (text_at(item, "Path"), *string_list(item.get("Args")))
    return Container(
        id=text_at(item, "Id"), name=text_at(item, "Name").lstrip("/"),
        service=labels.get("com.docker.compose.service"),
        project=labels.get("com.docker.compose.project"), image=text_at(item, "Config", "Image"),
        status=text_at(item, "State", "Status"), exit_code=number_at(item, "State", "ExitCode"),
        error=text_at(item, "State", "Error"), oom_killed=value_at(item, "State", "OOMKilled") is True,
        memory_max=number_at(item, "HostConfig", "Memory"), pids_max=max(0, number_at(item, "HostConfig", "PidsLimit")),
        pid=number_at(item, "State", "Pid"), restart_policy=text_at(item, "HostConfig", "RestartPolicy", "Name"),
        restart_count=number_at(item, "RestartCount"), health=text_at(item, "State", "Health", "Status") or None,
        created_at=parse_time(text_at(item, "Created")), started_at=parse_time(text_at(item, "State", "StartedAt")),
        finished_at=parse_time(text_at(item, "State", "FinishedAt")), argv=argv, user=text_at(item, "Config", "User"),
        env_names=tuple(e.split("=", 1)[0] for e in string_list(value_at(item, "Config", "Env"))),
        port_variables=tuple(_port_variables(item)), host_variables=tuple(_host_variables(item)),
        name_files=tuple(_name_files(item)),
        networks=tuple(_networks(item)), gateways=tuple(_gateways(item)), fixed_addresses=tuple(_fixed_addresses(item)),
        published=tuple(_published(item)), mounts=tuple(_mounts(item)),
        shares=tuple(_shares(item)), sources=tuple(_sources(item)),
        labels=tuple(sorted(labels.items())),
        is_machine=starts_init(argv), network_mode=text_at(item, "HostConfig", "NetworkMode"),
        bridges=tuple(_bridges(item)),
        security=tuple(option[:200] for option in string_list(value_at(item, "HostConfig", "SecurityOpt"))),
        working_dir=text_at(item, "Config", "WorkingDir"),
        read_only=value_at(item, "HostConfig", "ReadonlyRootfs") is True, cpu_limit=_cpu_limit(item),
        nofile_limit=_nofile_limit(item),
        health_exit=_health_exit(item), health_output=_health_output(item), health_port=_health_port(item),
        exposes=tuple(_exposes(item)),
        subnets=tuple(_subnets(item)), net_admin=_can_filter_packets(item), ipv6=tuple(_ipv6(item)),
        links=tuple(dict.fromkeys(_links(item))),
        extra_hosts=tuple(_HOST_SEPARATOR.split(w)[0] for w in string_list(value_at(item, "HostConfig", "ExtraHosts"))),
    )


def _name_files(item: Json) -> Iterable[tuple[str, str]]:
    """Yield (path, path on the engine's machine) of the files that Docker makes for the look-up of names."""
    for inside, key in zip(NAME_FILES, ("ResolvConfPath", "HostsPath"), strict=True):
        if text_at(item, key):
            yield inside, text_at(item, key)


def _port_variables(item: Json) -> Iterable[tuple[str, int]]:
    """Yield the variables whose name ends with PORT and whose value is a port; no secret is such a number."""
    for name, _, value in (word.partition("=") for word in string_list(value_at(item, "Config", "Env"))):
        if name.upper().endswith("PORT") and is_number(value) and 0 < int(value) < 65536:
            yield name, int(value)


def _host_variables(item: Json) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield the variables whose name ends with HOST and whose value lists names with a dot, as those of a site."""
    for name, _, value in (word.partition("=") for word in string_list(value_at(item, "Config", "Env"))):
        hosts = tuple(word.strip().lower() for word in value.split(","))
        if name.upper().endswith("HOST") and len(value) < _MOST_NAMES and all(map(_SITE_NAME.match, hosts)):
            yield name, hosts


def _links(item: Json) -> Iterable[tuple[str, str]]:
    """Yield (container, name) of links: `container:name` on networks, `/container:/own/name` on the default bridge."""
    ends = _mapping(value_at(item, "NetworkSettings", "Networks")).values()
    for link in [w for end in ends
                 for w in string_list(value_at(end, "Links"))] + string_list(value_at(item, "HostConfig", "Links")):
        target, _, name = link.partition(":")
        if target.strip("/") and name:
            yield target.strip("/"), name.rpartition("/")[2]


def _cpu_limit(item: Json) -> float:
    """Return the number of CPUs: `--cpus`, or the quota divided by its period (default 100 ms)."""
    nano, quota = number_at(item, "HostConfig", "NanoCpus"), number_at(item, "HostConfig", "CpuQuota")
    if nano > 0:
        return nano / 1e9
    return quota / (number_at(item, "HostConfig", "CpuPeriod") or 100_000) if quota > 0 else 0.0


def _nofile_limit(item: Json) -> int:
    limits = value_at(item, "HostConfig", "Ulimits")
    named = [u for u in limits if text_at(u, "Name") == "nofile"] if isinstance(limits, list) else []
    return number_at(named[0], "Soft") if named else 0


def _health_port(item: Json) -> int:
    asked = _HEALTH_PORT_URL.search(" ".join(string_list(value_at(item, "Config", "Healthcheck", "Test"))))
    return int(asked[1]) if asked is not None else 0


def _health_exit(item: Json) -> int | None:
    log = value_at(item, "State", "Health", "Log")
    last = value_at(log[-1], "ExitCode") if isinstance(log, list) and log else None
    return last if isinstance(last, int) else None


def _health_output(item: Json) -> str:
    """Return the last line of its health check's output, without runc's prefix."""
    log = value_at(item, "State", "Health", "Log")
    lines = text_at(log[-1], "Output").strip().splitlines() if isinstance(log, list) and log else []
    return redact_text(_RUNC_PREFIX.sub("", lines[-1].strip()))[:200] if lines else ""


def _exposes(item: Json) -> Iterable[int]:
    for port in sorted(_mapping(value_at(item, "Config", "ExposedPorts"))):
        number_of, _, kind = port.partition("/")
        if is_number(number_of) and kind in ("", "tcp"):
            yield int(number_of)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _networks(item: Json) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    for name, network in _mapping(value_at(item, "NetworkSettings", "Networks")).items():
        names = [*string_list(value_at(network, "Aliases")), *string_list(value_at(network, "DNSNames"))]
        yield name, text_at(network, "IPAddress"), tuple(dict.fromkeys(names))


def _ipv6(item: Mapping[str, Json]) -> Iterable[tuple[str, str]]:
    for name, network in _mapping(value_at(item, "NetworkSettings", "Networks")).items():
        if address := text_at(network, "GlobalIPv6Address"):
            yield name, address


def _fixed_addresses(item: Json) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield (network, fixed addresses) where Docker is configured to assign one."""
    for name, network in _mapping(value_at(item, "NetworkSettings", "Networks")).items():
        told = (text_at(network, "IPAMConfig", key) for key in ("IPv4Address", "IPv6Address"))
        if chosen := tuple(filter(None, told)):
            yield name, chosen


def _subnets(item: Json) -> Iterable[tuple[str, str]]:
    """Yield (network, CIDR subnet), from its address there and the prefix length."""
    for name, network in _mapping(value_at(item, "NetworkSettings", "Networks")).items():
        octets = text_at(network, "IPAddress").split(".")
        bits = number_at(network, "IPPrefixLen")
        if len(octets) == 4 and all(is_number(o) and int(o) < 256 for o in octets) and 0 < bits <= 32:
            whole = sum(int(o) << shift for o, shift in zip(octets, (24, 16, 8, 0), strict=True))
            whole &= -1 << (32 - bits)
            yield name, ".".join(str(whole >> shift & 255) for shift in (24, 16, 8, 0)) + f"/{bits}"


def _can_filter_packets(item: Json) -> bool:
    given = {word.upper().removeprefix("CAP_") for word in string_list(value_at(item, "HostConfig", "CapAdd"))}
    return value_at(item, "HostConfig", "Privileged") is True or bool(given & {"NET_ADMIN", "ALL"})


def _gateways(item: Json) -> Iterable[str]:
    for network in _mapping(value_at(item, "NetworkSettings", "Networks")).values():
        yield from filter(None, (text_at(network, "Gateway"), text_at(network, "IPv6Gateway")))


def _bridges(item: Json) -> Iterable[tuple[str, str]]:
    """Yield (network, bridge device) of user-defined bridge networks, by Docker's default names."""
    for name, network in _mapping(value_at(item, "NetworkSettings", "Networks")).items():
        made = text_at(network, "NetworkID")
        if made:
            yield name, "docker0" if name == "bridge" else f"br-{made[:12]}"


def _published(item: Json) -> Iterable[tuple[str, int, int]]:
    """Yield (host address, host port, container port) as published now; for a stopped container, as configured."""
    now, told = value_at(item, "NetworkSettings", "Ports"), value_at(item, "HostConfig", "PortBindings")
    for port, places in sorted(_mapping(now or told).items()):
        inner = port.split("/", 1)[0]
        for place in places if isinstance(places, list) else []:
            outer = text_at(place, "HostPort")
            if is_number(inner) and is_number(outer):
                yield text_at(place, "HostIp"), int(outer), int(inner)


def _mounts(item: Json) -> Iterable[tuple[str, str, bool]]:
    mounts = value_at(item, "Mounts")
    for mount in mounts if isinstance(mounts, list) else []:
        if text_at(mount, "Type") == "bind":
            yield text_at(mount, "Source"), text_at(mount, "Destination"), value_at(mount, "RW") is True


def _sources(item: Json) -> Iterable[str]:
    """Yield the sources that a start needs: `--mount type=bind`; compose secrets, configs and long volumes.
    Docker creates a missing source of `-v` or of a short volume as an empty folder."""
    mounts = value_at(item, "HostConfig", "Mounts")
    for mount in mounts if isinstance(mounts, list) else []:
        if text_at(mount, "Type") == "bind" and text_at(mount, "Source") and (
                value_at(mount, "BindOptions", "CreateMountpoint") is not True):
            yield text_at(mount, "Source")


def _shares(item: Json) -> Iterable[tuple[str, str]]:
    mounts = value_at(item, "Mounts")
    for mount in mounts if isinstance(mounts, list) else []:
        if text_at(mount, "Source") and text_at(mount, "Destination"):
            yield text_at(mount, "Source"), text_at(mount, "Destination")


def host_path(container: Container, path: str) -> tuple[str, bool] | None:
    """Return (path on the Docker host, single-file mount) of a container's path in a bind mount; else None."""
    best: tuple[str, str] | None = None
    for source, destination, _ in container.mounts:
        root = destination.rstrip("/")
        if is_within(path, destination) and (best is None or len(root) > len(best[1])):
            best = (source, root)
    if best is None:
        return None
    return best[0] + path[len(best[1]) :], path == best[1]
