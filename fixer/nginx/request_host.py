"""The host that a request names so that nginx serves it from a given server."""

from __future__ import annotations

from fixer.lazy.regex import regex
from fixer.model.nginx_config import Route


def host_header(route: Route) -> str:
    """Return a name that the route's server answers to: its first plain name, else one that matches, else localhost."""
    for name in route.server_names:
        if name and name != "_" and not name.startswith("~") and "*" not in name:
            return name.lstrip(".")
    return next((made for name in route.server_names if (made := _matching_host(name))), "localhost")


_PATTERN_GROUP = regex(r"\((?:\?(?:P?<\w+>|:))?([^()|]*)(?:\|[^()]*)?\)\??")
_PATTERN_CLASS = regex(r"\[([^\]]{1,200})\](?:[+*]|\{\d+(?:,\d*)?\})?|(?<!\\)\.[+*]\??|\\[wd][+*]?")
_HOST_NAME = regex(r"^(?=.{1,80}$)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$")
_MAX_GROUP_DEPTH = 4      # nested groups


def _matching_host(name: str) -> str:
    """Return a host that matches a wildcard or a simple pattern (`*.shop.test`, `~^(?<who>.+)[.]test$`), else empty.
    Another server would answer a request with another name."""
    if not name.startswith("~"):
        made = name.replace("*", "a", 1) if "*" in name else ""
    else:
        made = name[1:].removeprefix("^").removesuffix("$")
        for _ in range(_MAX_GROUP_DEPTH):
            made = _PATTERN_GROUP.sub(lambda m: m[1], made)
        made = _PATTERN_CLASS.sub(lambda m: "0" if m[0].startswith("\\d") or (m[1] and not m[1][0].isalpha()) else "a",
                                  made)
        made = made.replace("\\.", ".").replace("\\-", "-").lower()
        made = f"a{made}" if made.startswith(".") and not name.startswith("~^") else made
    return made if _HOST_NAME.match(made) else ""
