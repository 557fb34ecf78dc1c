"""What one server may do: its targets and its limits. They come from its own start options only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fixer.errors import UsageError
from fixer.hosts.open_target import parse_target
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Settings:
    """The start options of a server. `targets` are pairs of a name, which the tools take, and a target."""

    targets: tuple[tuple[str, str], ...] = (("local", "local"),)
    allow_repair: bool = False
    allow_unattended: bool = False
    max_risk: Literal["safe", "disruptive"] = "safe"
    bundle_folder: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the targets; the first is the default."""
        return tuple(name for name, _ in self.targets)

    def target(self, name: str) -> str:
        """Return the target of that name; raise UsageError if the server has none."""
        for known, target in self.targets:
            if known == name:
                return target
        raise UsageError("this server has no target of that name", f"its targets: {', '.join(self.names)}")


def parse_targets(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the targets of `--target [NAME=]TARGET` options; `local` if there is none. A target without a name is
    called as it is written. Raise UsageError for a target that is none, and for a name that is used twice."""
    targets: list[tuple[str, str]] = []
    for word in words or ("local",):
        name, equals, rest = word.partition("=")
        is_named = bool(equals) and _NAME.match(name) is not None
        target = rest if is_named else word
        parse_target(target)
        targets.append((name if is_named else target, target))
    names = [name for name, _ in targets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two targets are called {twice}", "name each: --target NAME=TARGET")
    return tuple(targets)
