"""The path of a packet between nginx and a backend through a packet filter, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from fixer.formats.numbers import is_number
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.firewall import Chain, Firewall, Match, MatchKey, Rule

with lazy_imports():
    import ipaddress  # only if a filter is followed

Hook: TypeAlias = Literal["prerouting", "input", "forward", "output", "postrouting"]
Stage: TypeAlias = Literal["connect", "data"]
_MatchResult: TypeAlias = bool | None
_ChainResult: TypeAlias = Literal["accept", "drop", "return", "unsure", "end"]
_MAX_DEPTH = 16
_EPHEMERAL_PORT = "picked"                             # nginx's own port of a connection: the kernel picks one
_PORT_KEYS: frozenset[MatchKey] = frozenset({"sport", "dport"})
_FIRST_EPHEMERAL, _LAST_PORT, _FEW_PORTS = 1024, 65535, 64
_HOOKS_OF_PATH: Mapping[str, tuple[Hook, ...]] = {
    "out": ("output", "postrouting"), "in": ("prerouting", "input"),
    "through": ("prerouting", "forward", "postrouting"),
}
_DEVICE_HOOKS: tuple[tuple[MatchKey, tuple[Hook, ...]], ...] = (
    ("iif", ("prerouting", "forward")), ("oif", ("forward", "postrouting")),
)


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet at one hook. What is not in `fields` is unknown."""

    hook: Hook
    stage: Stage
    fields: Mapping[MatchKey, str]


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule (None: the chain's policy) that drops or rejects a packet; `sure` if nothing about it is in doubt."""

    chain: Chain
    rule: Rule | None
    packet: Packet
    sure: bool

    @property
    def rejects(self) -> bool:
        """True if the filter notifies the sender."""
        return self.rule is not None and self.rule.verdict == "reject"

    @property
    def where(self) -> str:
        """Tool, table, chain, and the rule's handle or number."""
        if self.rule is None:
            return f"{self.chain.title} policy"
        number = f"handle {self.rule.handle}" if self.rule.handle else f"rule {self.rule.index + 1}"
        return f"{self.chain.title} {number}"


def request_packets(
    source: str, address: str, port: int, ways: tuple[str, str], *, loop: bool, uid: int | None, bridge: str = "",
    device: str = "",
) -> Iterator[Packet]:
    """Yield the packets of one request. `ways` are the paths of nginx's packets and of the replies (out, in, through;
    several joined by `+`). `loop`: all of them stay on the loopback device. `bridge` is a bridge that they cross.
    `device` is the only one that leads to other nodes."""
    device = "lo" if loop else device
    there: dict[MatchKey, str] = {"proto": "tcp", "daddr": address, "dport": str(port)}
    back: dict[MatchKey, str] = {"proto": "tcp", "saddr": address, "sport": str(port), "state": "established"}
    family = "ipv6" if ":" in address else "ipv4"
    if source:
        there["saddr"] = back["daddr"] = source
    for stage, opening, answer in (("connect", "syn", "syn,ack"), ("data", "psh,ack", "psh,ack")):
        new = "new" if stage == "connect" else "established"
        for fields, flags, state, way in ((there, opening, new, ways[0]), (back, answer, "established", ways[1])):
            for hook in (hook for part in way.split("+") for hook in _HOOKS_OF_PATH[part]):
                made: dict[MatchKey, str] = {**fields, "flags": flags, "state": state, "family": family}
                if stage == "connect":
                    made["length"] = "60"
                if uid is not None and hook in ("output", "postrouting") and fields is there:
                    made["skuid"] = str(uid)
                if device:
                    made["oif" if hook in ("output", "postrouting") else "iif"] = device
                if bridge:
                    made |= {key: bridge for key, at in _DEVICE_HOOKS if hook in at}
                yield Packet(hook, "connect" if stage == "connect" else "data", made)


def hits_of(firewall: Firewall, packets: Iterator[Packet]) -> tuple[Hit, ...]:
    """Return the rules that stop these packets, the sure ones first, each once."""
    found: dict[tuple[str, int], Hit] = {}
    for packet in packets:
        for hit in _ChainWalk(firewall, packet).run():
            key = hit.chain.title, -1 if hit.rule is None else hit.rule.index
            if key not in found or (hit.sure and not found[key].sure):
                found[key] = hit
    return tuple(sorted(found.values(), key=lambda hit: not hit.sure))


class _ChainWalk:
    """One packet on its way through the chains of one hook."""

    def __init__(self, firewall: Firewall, packet: Packet) -> None:
        self._firewall, self._packet = firewall, packet
        self._hits: list[Hit] = []
        self._sure = True

    def run(self) -> list[Hit]:
        family = "ip6" if self._packet.fields.get("family") == "ipv6" else "ip"
        bases = [c for c in self._firewall.chains if c.hook == self._packet.hook and c.family in ("inet", family)]
        for base in sorted(bases, key=lambda chain: chain.priority):
            end = self._follow(base, 0)
            if end == "drop":
                break
            if end in ("end", "return", "unsure") and base.policy == "drop":
                self._hits.append(Hit(base, None, self._packet, self._sure and end != "unsure"))
                if end != "unsure":
                    break
        return self._hits

    def _follow(self, chain: Chain, depth: int) -> _ChainResult:
        for rule in chain.rules:
            fits = self._fits(rule)
            if fits is False or rule.verdict == "none":
                continue
            end = self._obey(chain, rule, depth, fits is True)
            if end in ("accept", "drop", "return"):
                if fits is True:
                    return end
                self._sure = False
        return "end"

    def _obey(self, chain: Chain, rule: Rule, depth: int, fits: bool) -> _ChainResult:
        match rule.verdict:
            case "drop" | "reject":
                self._hits.append(Hit(chain, rule, self._packet, self._sure and fits))
                return "drop"
            case "accept" | "return":
                return rule.verdict
            case "jump" | "goto":
                target = self._firewall.chain(chain, rule.target)
                if target is None or depth >= _MAX_DEPTH:
                    self._sure = False
                    return "end"
                before = self._sure
                self._sure = before and fits
                end = self._follow(target, depth + 1)
                if fits:
                    return end if end in ("accept", "drop") else "return" if rule.verdict == "goto" else "end"
                self._sure = False if end in ("accept", "drop") else before
                return "end"
            case _:
                self._sure = False
                return "end"

    def _fits(self, rule: Rule) -> _MatchResult:
        worst: _MatchResult = True
        for match in rule.matches:
            fits = _match_criterion(match, self._packet.fields)
            if fits is False:
                return False
            if fits is None:
                worst = None
        return worst


def _match_criterion(match: Match, fields: Mapping[MatchKey, str]) -> _MatchResult:
    if match.key == "other":
        return None
    if match.key == "any-flag":
        flags = fields.get("flags", "").split(",")
        fits: _MatchResult = any(value in flags for value in match.values)
    elif match.key == "flags":
        fits = _match_flags(match.values, fields.get("flags", "").split(","))
    elif match.key not in fields:
        fits = _match_any_value(match, _EPHEMERAL_PORT) if match.key in _PORT_KEYS else None
    else:
        fits = _match_any_value(match, fields[match.key])
    return fits if fits is None else fits != match.negated


def _match_flags(values: tuple[str, ...], flags: list[str]) -> _MatchResult:
    if len(values) != 2:
        return None
    mask = {"fin", "syn", "rst", "psh", "ack", "urg"} if "all" in values[0] else set(values[0].split(","))
    return mask & set(flags) == set(filter(None, values[1].split(",")))


def _match_any_value(match: Match, value: str) -> _MatchResult:
    unknown = False
    for wanted in match.values:
        fits = _match_value(match.key, wanted, value)
        if fits:
            return True
        unknown = unknown or fits is None
    return None if unknown else False


def _match_value(key: MatchKey, wanted: str, value: str) -> _MatchResult:
    if wanted == value:
        return True
    match key:
        case "saddr" | "daddr":
            return is_in_network(wanted, value)
        case "dport" | "sport" | "length" | "skuid":
            low, dash, high = wanted.partition("-")
            if not is_number(low):
                return None      # a name: which number it stands for is not known here
            if value == _EPHEMERAL_PORT:
                return _match_ephemeral_port(int(low), int(high) if dash and is_number(high) else int(low))
            return int(low) <= int(value) <= int(high) if dash and is_number(high) else False
        case "iif" | "oif":
            for mark in ("+", "*"):
                if wanted.endswith(mark):
                    return value.startswith(wanted[:-1])
            return False
        case "proto":
            return wanted in ("6", "all", "0")
        case _:
            return False


def _match_ephemeral_port(low: int, high: int) -> _MatchResult:
    """Return whether a range holds the ephemeral port of nginx's end. It is never a well-known port. A few ports among
    tens of thousands match too seldom to explain a failing page."""
    if high < _FIRST_EPHEMERAL or high - low < _FEW_PORTS:
        return False
    return True if low <= _FIRST_EPHEMERAL and high >= _LAST_PORT else None


def is_in_network(wanted: str, value: str) -> bool | None:
    """Return whether the address is in a network or range; None if one of them is not written as an address."""
    try:
        if "-" in wanted:
            low, high = (ipaddress.ip_address(part) for part in wanted.split("-", 1))
            own = ipaddress.ip_address(value)
            return low.version == own.version and int(low) <= int(own) <= int(high)
        network = ipaddress.ip_network(wanted, strict=False)
        return ipaddress.ip_address(value) in network
    except ValueError:
        return None
