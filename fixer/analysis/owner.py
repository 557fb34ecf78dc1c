"""A service that belongs behind an address; which one that is, `fixer.analysis.ownership.resolve` says."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service

Rule: TypeAlias = Literal["placed", "alone", "related", "same-site", "contested", "bare", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Owner:
    """A service that belongs behind an address, and the rule that says so; `certain` where the rule is proof."""

    service: Service
    rule: Rule
    why: tuple[Evidence, ...]

    @property
    def certain(self) -> bool:
        """True where configuration or topology says it, false where it is only the one left over."""
        return self.rule == "placed"

    @property
    def is_unsure(self) -> bool:
        """True where a person must say that it is meant."""
        return self.rule in ("same-site", "contested")
