"""The less usual ways to put a deployment together, for scenarios that say that they stand them (`ways = […]`).

They are drawn with dice of their own, after everything else: names, ports and the plain structure of a seed stay.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from lab.scenario.scenario_file import Stack, Variant
from lab.scenario.templates import Value

Way = Mapping[str, Value]

# One of a slot at most: two ways of the same slot would undo each other.
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
}

NONE: Way = {
    "six": False, "tls": False, "unix": False, "activation": False, "certificate": "", "certificate_key": "",
    "releases": False, "release": "20261102-0915", "older_release": "20260928-1740",
}


def names(stack: Stack) -> tuple[str, ...]:
    """Every way that there is on a stack."""
    return tuple(name for ways in SLOTS[stack].values() for name in ways)


def draw_ways(variant: Variant, stack: Stack, dice: Callable[[str], random.Random]) -> dict[str, Value]:
    """What the ways of a seed put in the place of the plain structure: of each slot none, or one that the variant
    stands. `dice` are a slot's own, so that a new slot moves no other; what a variant fixes to one value stays."""
    drawn: dict[str, Value] = {}
    for slot, ways in SLOTS[stack].items():
        fixed = {key for key, wish in variant.parameters.items() if not isinstance(wish, Mapping)}
        options = [name for name, way in ways.items() if name in variant.ways and not way.keys() & fixed]
        chosen = dice(slot).choice([*options, *[""] * len(options)]) if options else ""
        drawn |= ways.get(chosen, {})
    return drawn
