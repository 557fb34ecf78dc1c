"""Draws from a seed: names and ports, and the structure of the deployment."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.errors import ScenarioError
from lab.scenario.combined import resolve_combined
from lab.scenario.deployment_fields import (
    TARGET,
    Database,
    Deployment,
    Names,
    Ports,
    Rights,
    Sizes,
    replace,
    with_values,
)
from lab.scenario.noise import NOISE_KINDS, draw_noise
from lab.scenario.scenario_file import Scenario, Stack, Variant
from lab.scenario.templates import Value
from lab.scenario.word_lists import (
    COMPANIES,
    DOMAINS,
    FIRST_NAMES,
    HOMES,
    NEIGHBOURS,
    SECRETS,
    SERVICE_NAMES,
    TITLES,
    UNIT_ENDINGS,
    USERS,
    WEB_NAMES,
    WORDS,
)

# Structures of a deployment, by field; the draw of one key never depends on another scenario's.
STRUCTURE: Mapping[Stack, Mapping[str, Sequence[Value]]] = {
    "host": {
        "route_style": ("literal", "upstream"),
        "place": ("link", "confd", "snippet"),
        "quote": ("", "", '"', "'"),
        "remark": ("none", "above", "behind"),
        "decoy": ("none", "commented", "unused_file"),
        "locations": ("all", "split"),
        "port_place": ("command", "dropin", "envfile", "wrapper"),
        "env_place": ("unit", "envfile"),
        "runner": ("script", "module"),
        "secret_check": ("index", "message"),
        "second_site": (True, False),
        "stranger": (True, False),
        "old_log": (True, False),
        "restart_policy": ("no", "on-failure", "always"),
        "bind": ("127.0.0.1", "0.0.0.0"),  # noqa: S104  inside the lab's machine
    },
    "containers": {
        "route_style": ("literal", "upstream"),
        "place": ("confd", "snippet"),
        "mount": ("folder", "file"),
        "quote": ("", "", '"', "'"),
        "remark": ("none", "above", "behind"),
        "decoy": ("none", "commented", "unused_file"),
        "locations": ("all", "split"),
        "port_place": ("command", "environment"),
        "env_place": ("env_file", "environment", "dotenv"),
        "secret_check": ("index", "message"),
        "second_site": (True, False),
        "stranger": (True, False),
        "restart_policy": ("no", "on-failure", "unless-stopped"),
    },
    "all-in-one": {
        "route_style": ("literal", "upstream"),
        "place": ("confd", "snippet"),
        "kept": ("bind", "volume"),
        "entry": ("supervisord", "entrypoint"),
        "log_place": ("streams", "files"),
        "grouped": (True, False),
        "quote": ("", "", '"', "'"),
        "remark": ("none", "above", "behind"),
        "decoy": ("none", "commented", "unused_file"),
        "locations": ("all", "split"),
        "port_place": ("command", "wrapper"),
        "env_place": ("unit", "env_file", "environment"),
        "runner": ("script", "module"),
        "secret_check": ("index", "message"),
        "second_site": (True, False),
        "stranger": (True, False),
        "restart_policy": ("on-failure", "unless-stopped"),
        "bind": ("127.0.0.1", "0.0.0.0"),  # noqa: S104  inside the lab's container
    },
}


# Docker withholds SYS_PTRACE. Without it even root does not see whose socket is whose: lsof is empty, ss and netstat
# name no process. On a real host root sees all of that, so most machines have it, and one in so many does not.
MACHINES_WITHOUT_PTRACE = 4


def rights_text(rights: Rights) -> str:
    """Return the additional rights of a machine, as `cap_add` of a compose file lists them."""
    asked = (
        (rights.net_admin, "NET_ADMIN"), (rights.sys_admin, "NET_ADMIN SYS_ADMIN"), (rights.own_mounts, "SYS_ADMIN"),
        (rights.bpf, "NET_ADMIN BPF"), (rights.kernel_log, "SYSLOG"), (rights.ptrace, "SYS_PTRACE"),
    )
    return ", ".join(sorted({right for wanted, names in asked if wanted for right in names.split()}))


def draw(scenario: Scenario, variant: Variant, stack: Stack, seed: int, noise: int = 0) -> Deployment:
    """Return every parameter of a lab: common ones, then those that the scenario sets, then the noise."""
    dice = random.Random(_stable_hash(f"{scenario.name}/{variant.name}/{stack}/{seed}"))  # noqa: S311  a lab, not a lock
    parts: dict[str, Any] = {key: dice.choice(options) for key, options in STRUCTURE[stack].items()}
    for group in (_draw_names(dice), _draw_ports(dice), _draw_sizes(dice),
                  _draw_database(_stable_hash(f"database/{scenario.name}/{variant.name}/{stack}/{seed}"))):
        parts |= vars(group)
    drawn = Deployment(stack=stack, redirect=parts["remark"] == "above",
                       ptrace=_draw_ptrace(scenario, variant, stack, seed), **parts)
    try:
        for name, wish in variant.parameters.items():
            drawn = with_values(drawn, {name: _draw_override(dice, name, wish, drawn)})
    except ScenarioError as error:
        where = f"{scenario.name}/scenario.toml: variants.{variant.name}.parameters"
        raise ScenarioError(f"{where}.{error.message}") from error
    drawn = with_values(drawn, {**dict.fromkeys(scenario.noise, True), **_ways_of(scenario, variant, stack, seed)})
    drawn = _resolve_conflicts(drawn)
    drawn = replace(drawn, capabilities=rights_text(drawn))
    own = random.Random(_stable_hash(f"noise/{scenario.name}/{variant.name}/{stack}/{seed}"))  # noqa: S311
    return draw_noise(drawn, variant, noise, own)


def is_plain(scenario: Scenario, variant: Variant, stack: Stack, seed: int) -> bool:
    """Return whether a seed draws none of the less usual structures, and a machine whose root sees everything."""
    return _draw_ptrace(scenario, variant, stack, seed) and not _ways_of(scenario, variant, stack, seed)


def _draw_ptrace(scenario: Scenario, variant: Variant, stack: Stack, seed: int) -> bool:
    return _stable_hash(f"ptrace/{scenario.name}/{variant.name}/{stack}/{seed}") % MACHINES_WITHOUT_PTRACE != 0


def _ways_of(scenario: Scenario, variant: Variant, stack: Stack, seed: int) -> dict[str, Value]:
    return draw_ways(variant, stack, lambda slot: random.Random(  # noqa: S311  a lab, not a lock
        _stable_hash(f"ways/{slot}/{scenario.name}/{variant.name}/{stack}/{seed}")))


def noise_level(scenario: str, variant: str, stack: Stack, seed: int) -> int:
    """Return the noise level that a seed draws by default."""
    return _stable_hash(f"level/{scenario}/{variant}/{stack}/{seed}") % (len(NOISE_KINDS[stack]) + 1)


def structure_of(drawn: Deployment) -> tuple[Value, ...]:
    """Return the structural part of a draw, to compare two labs."""
    return tuple(getattr(drawn, key) for key in STRUCTURE[drawn.stack])


def pick_variant(scenario: Scenario, stack: Stack, seed: int) -> Variant:
    """Return the variant that a seed selects."""
    options = scenario.variants_on(stack)
    return options[_stable_hash(f"variant/{scenario.name}/{stack}/{seed}") % len(options)]


def pick_name(names: Sequence[str], seed: int) -> str:
    """Return the scenario that a seed selects for an alias of several."""
    return sorted(names)[_stable_hash(f"alias/{'+'.join(sorted(names))}/{seed}") % len(names)]


def _stable_hash(text: str) -> int:
    """Return the same hash on every machine and Python: `hash` is salted."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _draw_names(dice: random.Random) -> Names:
    word, second = dice.sample(WORDS, 2)
    user = dice.choice(USERS)
    domain = dice.choice(DOMAINS)
    home, second_home = (f"{dice.choice(HOMES)}/{name}" for name in (word, second))
    secret = dice.choice(SECRETS)
    return Names(  # drawn in this order
        word=word,
        unit=word + dice.choice(UNIT_ENDINGS),
        backend=dice.choice([word, *SERVICE_NAMES]),
        web=dice.choice(WEB_NAMES),
        user=user,
        home=home,
        server_name=dice.choice(["_", f"{word}.{domain}"]),
        title=f"{dice.choice(COMPANIES)} {dice.choice(TITLES)}",
        login=dice.choice(FIRST_NAMES),
        password=f"{dice.choice(WORDS)}-{dice.choice(WORDS)}-{dice.randrange(100, 999)}",
        secret_name=secret,
        secret=f"{dice.getrandbits(160):040x}",
        site_name=dice.choice([word, word, "default"]),
        second=second,
        second_unit=second + dice.choice(UNIT_ENDINGS),
        second_home=second_home,
        second_name=f"{second}.{domain}",
        second_title=f"{dice.choice(COMPANIES)} {dice.choice(TITLES)}",
        second_secret=f"{dice.getrandbits(160):040x}",
        neighbour=dice.choice(NEIGHBOURS),
    )


def _draw_ports(dice: random.Random) -> Ports:
    """Return distinct ports, as people choose them."""
    usual = [8000, 8001, 8080, 8081, 8888, 9000, 9001, 5000, 3000, *range(8002, 8020), *range(9100, 9120)]
    port, second, neighbour, old = dice.sample(usual, 4)
    return Ports(port=port, route_port=port, second_port=second, neighbour_port=neighbour, old_port=old)


def _draw_sizes(dice: random.Random) -> Sizes:
    return Sizes(workers=dice.choice([1, 1, 2, 3]), connect_timeout=dice.choice([2, 3, 4]),
                 read_timeout=dice.choice([15, 20, 30, 60]))


def _draw_database(number: int) -> Database:
    dice = random.Random(number)  # noqa: S311  a lab, not a lock
    return Database(
        db_service=dice.choice(["db", "database", "postgres", "pg", "records"]),
        db_name=dice.choice(["records", "office", "backoffice", "staff"]),
        db_user=dice.choice(["office", "records_rw", "app_rw"]),
        db_password=f"{dice.getrandbits(96):024x}",
        db_variable=dice.choice(["DATABASE_URL", "DB_URL", "PG_DSN", "RECORDS_DATABASE_URL"]),
        db_wants=dice.choice([True, False]),
    )


def _draw_override(dice: random.Random, name: str, wish: object, drawn: Deployment) -> Value:
    """Return a scenario's own value for a parameter: fixed, chosen, between two numbers, or a free port."""
    if isinstance(wish, str | int | float):
        return wish
    assert isinstance(wish, Mapping)
    table: Mapping[str, Any] = wish
    if "choose" in table:
        options: list[Value] = list(table["choose"])
        return dice.choice(options)
    if "between" in table:
        low, high = table["between"]
        digits = int(table.get("digits", 0))
        step = {0: 1.0, 1: 10.0, 2: 100.0, 3: 1000.0}[digits]
        steps = round(dice.uniform(float(low), float(high)) * step)
        return steps / step if digits else steps
    if not table.get("port"):
        raise ScenarioError(f"{name}: cannot be drawn")
    return _free_port(dice, drawn)


def _free_port(dice: random.Random, drawn: Deployment) -> int:
    """Return a port that no part of the deployment has."""
    taken = drawn.taken_ports()
    free = [port for port in (*range(8020, 8060), 8090, 8100, 9200, 7000, 5001, 3001) if port not in taken]
    port: int = dice.choice(free)
    return port


def _resolve_conflicts(drawn: Deployment) -> Deployment:
    """Resolve conflicting draws in favour of the one that a scenario is more likely to need."""
    if drawn.backend in (drawn.web, drawn.second):
        drawn = replace(drawn, backend="backend")
    if drawn.main_mounted and drawn.stack == "containers":
        drawn = replace(drawn, place="main")
    if drawn.beside_port and drawn.stack == "containers":
        drawn = replace(drawn, stranger=True, neighbour_port=drawn.beside_port)
    if drawn.place == "nested":
        drawn = replace(drawn, mount="folder")
    if drawn.mount == "file" and drawn.place != "main":
        drawn = replace(drawn, place="confd")
    if drawn.stack == "host":
        drawn = _resolve_manager_conflicts(drawn)
    if drawn.stack == "all-in-one":
        drawn = resolve_combined(drawn)
    if drawn.unix:
        style = drawn.route_style
        drawn = replace(drawn, bind="127.0.0.1", route_style="upstream" if style in ("map", "variable") else style,
                        port_place="wrapper" if drawn.port_place == "wrapper" else "command")
    if drawn.web_network == "host":
        drawn = replace(drawn, second_site=False)  # it would listen on port 80 of the machine
    return replace(drawn, listen="80 default_server") if drawn.second_site else drawn


def _resolve_manager_conflicts(drawn: Deployment) -> Deployment:
    """Restrict the draws to what the application's manager supports."""
    if drawn.unix or drawn.activation or drawn.route_style == "group":
        drawn = replace(drawn, manager="systemd")  # it creates the socket's folder, the socket, the instances
    if drawn.activation:
        if drawn.server == "node":
            drawn = replace(drawn, target=TARGET)
        drawn = replace(drawn, server="uvicorn", port_place="command", instance="")
    if drawn.route_style == "group":
        drawn = replace(drawn, unix=False, activation=False, port_place="command", instance=str(drawn.port))
    if drawn.server == "node":
        drawn = replace(drawn, unix=False)
    if drawn.manager == "nohup":
        drawn = replace(drawn, ptrace=True)  # `fixer learn` reads its environment from the kernel
    if drawn.manager in ("nohup", "rc.local", "init.d"):
        drawn = replace(drawn, port_place="wrapper", instance="")
    if drawn.manager == "supervisord":  # it knows neither drop-ins nor env files
        if drawn.port_place == "dropin":
            drawn = replace(drawn, port_place="command")
        if drawn.port_place == "envfile":
            drawn = replace(drawn, port_place="wrapper")
        if drawn.port_place != "wrapper":
            drawn = replace(drawn, env_place="unit")
    return drawn


# Less usual deployments, for scenarios that support them (`ways = […]`).
Way = Mapping[str, Value]

# At most one per slot: two ways of the same slot would exclude each other.
SLOTS: Mapping[Stack, Mapping[str, Mapping[str, Way]]] = {
    "host": {
        "site": {
            "one-big-file": {"place": "main"},
            "nested-includes": {"place": "nested"},
        },
        "route": {
            "map": {"route_style": "map"},
            "variable": {"route_style": "variable"},
            "several-backends": {"route_style": "group"},
        },
        "listen": {
            "ipv6-listener": {"six": True},
            "tls-listener": {"tls": True},
        },
        "runner": {
            "socket-activation": {"activation": True},
            "template-instance": {"instance": "blue"},
        },
        "address": {
            "ipv6-upstream": {"bind": "::1", "route_host": "[::1]"},
            "unix-socket": {"unix": True},
        },
        "server": {
            "gunicorn": {"server": "gunicorn"},
            "node": {"server": "node", "target": "app/server.js"},
        },
    },
    "containers": {
        "site": {
            "one-big-file": {"place": "main"},
            "nested-includes": {"place": "nested"},
        },
        "route": {
            "map": {"route_style": "map"},
            "variable": {"route_style": "variable"},
        },
        "listen": {
            "ipv6-listener": {"six": True},
            "tls-listener": {"tls": True},
        },
        "address": {
            "unix-socket": {"unix": True},
        },
        "server": {
            "gunicorn": {"server": "gunicorn"},
        },
    },
    "all-in-one": {
        "site": {
            "one-big-file": {"place": "main"},
            "nested-includes": {"place": "nested"},
        },
        "route": {
            "map": {"route_style": "map"},
            "variable": {"route_style": "variable"},
        },
        "listen": {
            "ipv6-listener": {"six": True},
            "tls-listener": {"tls": True},
        },
        "address": {
            "ipv6-upstream": {"bind": "::1", "route_host": "[::1]"},
            "unix-socket": {"unix": True},
        },
        "server": {
            "gunicorn": {"server": "gunicorn"},
        },
    },
}


def way_names(stack: Stack) -> tuple[str, ...]:
    """Return every way of a stack."""
    return tuple(name for ways in SLOTS[stack].values() for name in ways)


def draw_ways(variant: Variant, stack: Stack, dice: Callable[[str], random.Random]) -> dict[str, Value]:
    """Return the parameters of drawn ways: per slot none, or one that the variant supports.
    `dice` returns a separate generator per slot, so that a new slot changes no other. A value that the variant fixes
    stays."""
    drawn: dict[str, Value] = {}
    for slot, ways in SLOTS[stack].items():
        fixed = {key for key, wish in variant.parameters.items() if not isinstance(wish, Mapping)}
        options = [name for name, way in ways.items() if name in variant.ways and not way.keys() & fixed]
        chosen = dice(slot).choice([*options, *[""] * len(options)]) if options else ""
        drawn |= ways.get(chosen, {})
    return drawn
