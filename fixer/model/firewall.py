"""Packet filters as read: base chains, their rules in order, and each rule's conditions."""

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
    """One condition of a rule. `values` are numbers, ranges `a-b` or networks `a/n`; any of them matches.
    `flags` holds mask and wanted flags, each comma-separated. `other` cannot be evaluated."""

    key: MatchKey
    values: tuple[str, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a chain. `index` is its position, `handle` nft's number (0 with iptables).
    `text` is the rule as its tool prints it, without counters. `reject` is the answer: `reset`, `port` (the client sees
    both as "refused") or the ICMP type. `is_complete` is False for a part of a verdict map."""

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
    """A chain with its rules; `hook` is empty if other chains jump to it."""

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
        """Return the chain as people name it."""
        return f"{self.tool} {f'{self.family} ' if self.tool == 'nft' else ''}{self.table} {self.name}"

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the rules in order, each once."""
        return tuple({rule.index: rule.text for rule in self.rules}.values())


@dataclass(frozen=True, slots=True)
class Firewall:
    """Every chain of a node's network namespace."""

    chains: tuple[Chain, ...] = ()
    unread: str = ""  # the tools' message about rules that they do not show

    def chain(self, like: Chain, name: str) -> Chain | None:
        """Return the chain of that name in the same table as `like`."""
        for chain in self.chains:
            if (chain.tool, chain.family, chain.table, chain.name) == (like.tool, like.family, like.table, name):
                return chain
        return None
