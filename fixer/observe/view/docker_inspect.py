"""Containers from `docker inspect`: state, command, networks, mounts; names of variables, never their values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from fixer.formats.numbers import is_number
from fixer.formats.service_log import parse_time
from fixer.lazy.regex import regex
from fixer.model.query import Answer
from fixer.model.snapshot import Container
from fixer.redaction.secrets import redact_text

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"
_ASKED = regex(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):(\d{1,5})\b")
_RUNC = regex(r"^(?:OCI runtime exec failed: |exec failed: |unable to start container process: )+")
_HOST_OF = regex(r"[:=]")     # `name:address`, or with an equals sign
INITS = frozenset({"systemd", "init", "supervisord", "s6-svscan", "runit", "runsvdir", "openrc-init", "my_init"})


def parse_inspect(answer: Answer | None) -> tuple[Container, ...]:
    """Every container of a docker inspect answer; what is not an object with an Id is left out."""
    return tuple(_container(item) for item in inspected(answer))


def inspected(answer: Answer | None) -> list[Mapping[str, Json]]:
    """The raw objects of a docker inspect answer."""
    if answer is None or not answer.data:
        return []
    try:
        data = json.loads(answer.data)
    except (ValueError, RecursionError):
        return []
    items = data if isinstance(data, list) else [data]
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("Id"), str)]


def inspect_environment(item: Mapping[str, Json]) -> dict[str, str]:
    """NAME -> value of Config.Env: for finding ports and hosts, never kept."""
    return dict(e.split("=", 1) for e in strings(get(item, "Config", "Env")) if "=" in e)


def get(item: Json, *path: str) -> Json:
    """The value at a path of keys, None where any of them is missing."""
    for key in path:
        if not isinstance(item, Mapping):
            return None
        item = item.get(key)
    return item


def text(item: Json, *path: str) -> str:
    """The string at a path, empty where there is none."""
    value = get(item, *path)
    return value if isinstance(value, str) else ""


def number(item: Json, *path: str) -> int:
    """The integer at a path, 0 where there is none."""
    value = get(item, *path)
    return value if isinstance(value, int) else 0


def strings(value: Json) -> list[str]:
    """The strings of a list."""
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _container(item: Mapping[str, Json]) -> Container:
    labels = {k: v for k, v in _mapping(get(item, "Config", "Labels")).items() if isinstance(v, str)}
    argv = (text(item, "Path"), *strings(item.get("Args")))
    return Container(
        id=text(item, "Id"), name=text(item, "Name").lstrip("/"), service=labels.get("com.docker.compose.service"),
        project=labels.get("com.docker.compose.project"), image=text(item, "Config", "Image"),
        status=text(item, "State", "Status"), exit_code=number(item, "State", "ExitCode"),
        error=text(item, "State", "Error"), oom_killed=get(item, "State", "OOMKilled") is True,
        memory_max=number(item, "HostConfig", "Memory"), pids_max=max(0, number(item, "HostConfig", "PidsLimit")),
        pid=number(item, "State", "Pid"), restart_policy=text(item, "HostConfig", "RestartPolicy", "Name"),
        restart_count=number(item, "RestartCount"), health=text(item, "State", "Health", "Status") or None,
        created_at=parse_time(text(item, "Created")), started_at=parse_time(text(item, "State", "StartedAt")),
        finished_at=parse_time(text(item, "State", "FinishedAt")), argv=argv, user=text(item, "Config", "User"),
        env_names=tuple(e.split("=", 1)[0] for e in strings(get(item, "Config", "Env"))),
        networks=tuple(_networks(item)), gateways=tuple(_gateways(item)), fixed=tuple(_fixed(item)),
        published=tuple(_published(item)), mounts=tuple(_mounts(item)),
        shares=tuple(_shares(item)), sources=tuple(_sources(item)),
        labels=tuple(sorted(labels.items())),
        is_machine=argv[0].rsplit("/", 1)[-1] in INITS, network_mode=text(item, "HostConfig", "NetworkMode"),
        bridges=tuple(_bridges(item)),
        security=tuple(option[:200] for option in strings(get(item, "HostConfig", "SecurityOpt"))),
        working_dir=text(item, "Config", "WorkingDir"),
        read_only=get(item, "HostConfig", "ReadonlyRootfs") is True, cpu_limit=_cpus(item), nofile_limit=_nofile(item),
        health_exit=_health_exit(item), health_said=_health_said(item), health_port=_health_port(item),
        exposes=tuple(_exposes(item)),
        subnets=tuple(_subnets(item)), net_admin=_may_filter(item), ipv6=tuple(_ipv6(item)),
        links=tuple(dict.fromkeys(_links(item))),
        extra_hosts=tuple(_HOST_OF.split(w)[0] for w in strings(get(item, "HostConfig", "ExtraHosts"))),
    )


def _links(item: Json) -> Iterable[tuple[str, str]]:
    """`container:name` of its networks, and `/container:/own/name` of the default bridge."""
    ends = _mapping(get(item, "NetworkSettings", "Networks")).values()
    for link in [w for end in ends for w in strings(get(end, "Links"))] + strings(get(item, "HostConfig", "Links")):
        target, _, name = link.partition(":")
        if target.strip("/") and name:
            yield target.strip("/"), name.rpartition("/")[2]


def _cpus(item: Json) -> float:
    """`--cpus`, or a quota within a period of 100 ms."""
    nano, quota = number(item, "HostConfig", "NanoCpus"), number(item, "HostConfig", "CpuQuota")
    if nano > 0:
        return nano / 1e9
    return quota / (number(item, "HostConfig", "CpuPeriod") or 100_000) if quota > 0 else 0.0


def _nofile(item: Json) -> int:
    limits = get(item, "HostConfig", "Ulimits")
    named = [u for u in limits if text(u, "Name") == "nofile"] if isinstance(limits, list) else []
    return number(named[0], "Soft") if named else 0


def _health_port(item: Json) -> int:
    asked = _ASKED.search(" ".join(strings(get(item, "Config", "Healthcheck", "Test"))))
    return int(asked[1]) if asked is not None else 0


def _health_exit(item: Json) -> int | None:
    log = get(item, "State", "Health", "Log")
    last = get(log[-1], "ExitCode") if isinstance(log, list) and log else None
    return last if isinstance(last, int) else None


def _health_said(item: Json) -> str:
    """Its last line, without what runc says of its own work."""
    log = get(item, "State", "Health", "Log")
    lines = text(log[-1], "Output").strip().splitlines() if isinstance(log, list) and log else []
    return redact_text(_RUNC.sub("", lines[-1].strip()))[:200] if lines else ""


def _exposes(item: Json) -> Iterable[int]:
    for port in sorted(_mapping(get(item, "Config", "ExposedPorts"))):
        number_of, _, kind = port.partition("/")
        if is_number(number_of) and kind in ("", "tcp"):
            yield int(number_of)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _networks(item: Json) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    for name, network in _mapping(get(item, "NetworkSettings", "Networks")).items():
        names = [*strings(get(network, "Aliases")), *strings(get(network, "DNSNames"))]
        yield name, text(network, "IPAddress"), tuple(dict.fromkeys(names))


def _ipv6(item: Mapping[str, Json]) -> Iterable[tuple[str, str]]:
    for name, network in _mapping(get(item, "NetworkSettings", "Networks")).items():
        if address := text(network, "GlobalIPv6Address"):
            yield name, address


def _fixed(item: Json) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Where Docker was told which address to give it."""
    for name, network in _mapping(get(item, "NetworkSettings", "Networks")).items():
        told = (text(network, "IPAMConfig", key) for key in ("IPv4Address", "IPv6Address"))
        if chosen := tuple(filter(None, told)):
            yield name, chosen


def _subnets(item: Json) -> Iterable[tuple[str, str]]:
    """Each network's addresses, from its own there and how many bits of it name the network."""
    for name, network in _mapping(get(item, "NetworkSettings", "Networks")).items():
        octets = text(network, "IPAddress").split(".")
        bits = number(network, "IPPrefixLen")
        if len(octets) == 4 and all(is_number(o) and int(o) < 256 for o in octets) and 0 < bits <= 32:
            whole = sum(int(o) << shift for o, shift in zip(octets, (24, 16, 8, 0), strict=True))
            whole &= -1 << (32 - bits)
            yield name, ".".join(str(whole >> shift & 255) for shift in (24, 16, 8, 0)) + f"/{bits}"


def _may_filter(item: Json) -> bool:
    given = {word.upper().removeprefix("CAP_") for word in strings(get(item, "HostConfig", "CapAdd"))}
    return get(item, "HostConfig", "Privileged") is True or bool(given & {"NET_ADMIN", "ALL"})


def _gateways(item: Json) -> Iterable[str]:
    for network in _mapping(get(item, "NetworkSettings", "Networks")).values():
        yield from filter(None, (text(network, "Gateway"), text(network, "IPv6Gateway")))


def _bridges(item: Json) -> Iterable[tuple[str, str]]:
    """The devices of user-defined bridge networks, as Docker names them where nobody chose another name."""
    for name, network in _mapping(get(item, "NetworkSettings", "Networks")).items():
        made = text(network, "NetworkID")
        if made:
            yield name, "docker0" if name == "bridge" else f"br-{made[:12]}"


def _published(item: Json) -> Iterable[tuple[str, int, int]]:
    """As it is now; of a container that does not run, as it would be."""
    now, told = get(item, "NetworkSettings", "Ports"), get(item, "HostConfig", "PortBindings")
    for port, places in sorted(_mapping(now or told).items()):
        inner = port.split("/", 1)[0]
        for place in places if isinstance(places, list) else []:
            outer = text(place, "HostPort")
            if is_number(inner) and is_number(outer):
                yield text(place, "HostIp"), int(outer), int(inner)


def _mounts(item: Json) -> Iterable[tuple[str, str, bool]]:
    mounts = get(item, "Mounts")
    for mount in mounts if isinstance(mounts, list) else []:
        if text(mount, "Type") == "bind":
            yield text(mount, "Source"), text(mount, "Destination"), get(mount, "RW") is True


def _sources(item: Json) -> Iterable[str]:
    """`--mount type=bind`, and what compose makes of a secret, a config or a long volume: a start needs the source.
    That of `-v` and of a short volume is made, an empty folder, where it is gone."""
    mounts = get(item, "HostConfig", "Mounts")
    for mount in mounts if isinstance(mounts, list) else []:
        if text(mount, "Type") == "bind" and text(mount, "Source") and (
                get(mount, "BindOptions", "CreateMountpoint") is not True):
            yield text(mount, "Source")


def _shares(item: Json) -> Iterable[tuple[str, str]]:
    mounts = get(item, "Mounts")
    for mount in mounts if isinstance(mounts, list) else []:
        if text(mount, "Source") and text(mount, "Destination"):
            yield text(mount, "Source"), text(mount, "Destination")


def host_path(container: Container, path: str) -> tuple[str, bool] | None:
    """(path on the Docker host, single-file mount) of a container's path that lies in a bind mount."""
    best: tuple[str, str] | None = None
    for source, destination, _ in container.mounts:
        root = destination.rstrip("/")
        if (path == root or path.startswith(root + "/")) and (best is None or len(root) > len(best[1])):
            best = (source, root)
    if best is None:
        return None
    return best[0] + path[len(best[1]) :], path == best[1]
