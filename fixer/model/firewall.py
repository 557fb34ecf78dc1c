"""Packet filters as they were read: base chains, their rules in order, and what each rule looks at."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

Tool: TypeAlias = Literal["nft", "iptables", "ip6tables"]
RuleVerdict: TypeAlias = Literal["accept", "drop", "reject", "jump", "goto", "return", "none", "unknown"]
MatchKey: TypeAlias = Literal[
    "proto", "saddr", "daddr", "sport", "dport", "iif", "oif", "state", "flags", "any-flag", "length", "skuid",
    "family", "other",
]


@dataclass(frozen=True, slots=True)
class Match:
    """One condition of a rule. `values` are words: numbers, ranges `a-b`, networks `a/n`; any of them fits.

    `flags` holds mask and wanted flags, each joined by commas. `other` is something that nobody here can decide.
    """

    key: MatchKey
    values: tuple[str, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a chain. `index` is its place there, `handle` nft's own number (0 with iptables).

    `text` is the rule as its tool prints it, without counters. `reject` is how a reject speaks: `reset`, `port` (both
    are "refused" to whoever connects) or the ICMP word. `whole` is false for a part of a verdict map.
    """

    handle: int
    index: int
    text: str
    matches: tuple[Match, ...]
    verdict: RuleVerdict
    target: str = ""
    reject: str = ""
    packets: int | None = None
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain with its rules; `hook` is empty for one that is only jumped to."""

    tool: Tool
    family: str
    table: str
    name: str
    hook: str
    priority: int
    policy: str
    rules: tuple[Rule, ...]

    @property
    def title(self) -> str:
        """How a person finds it."""
        return f"{self.tool} {f'{self.family} ' if self.tool == 'nft' else ''}{self.table} {self.name}"

    @property
    def texts(self) -> tuple[str, ...]:
        """The rules in order, each once."""
        return tuple({rule.index: rule.text for rule in self.rules}.values())


@dataclass(frozen=True, slots=True)
class Firewall:
    """Every chain of a node's network namespace."""

    chains: tuple[Chain, ...] = ()
    unread: str = ""          # what the tools said of rules that they do not show

    def chain(self, like: Chain, name: str) -> Chain | None:
        """The chain of that name beside another."""
        for chain in self.chains:
            if (chain.tool, chain.family, chain.table, chain.name) == (like.tool, like.family, like.table, name):
                return chain
        return None
