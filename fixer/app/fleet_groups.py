"""Reports of many hosts, read defensively (a host writes what it wants) and grouped by cause and variant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TypeAlias, TypeGuard

from fixer.model.diagnosis import AT_FAULT, HealthVerdict
from fixer.model.fleet import FleetGroup, FleetRepair, FleetReport, HostFault, HostReport, UnseenGroup
from fixer.model.plan import Risk
from fixer.model.report import SCHEMA_VERSION

NO_ROUTE_TEXT = "no route could be judged"
NO_REPORT_TEXT = "this is no report of fixer"

_LONGEST_NAME = 253  # characters of a host name in DNS
_LONGEST_TEXT = 2_000
_RISKS: Mapping[str, Risk] = {"safe": "safe", "disruptive": "disruptive", "manual": "manual"}
_VERDICTS: Mapping[str, HealthVerdict] = {"healthy": "healthy", "degraded": "degraded", "broken": "broken",
                                          "unknown": "unknown"}
_Object: TypeAlias = Mapping[str, object]
_Key: TypeAlias = tuple[str | None, str | None]


def read_host(value: object, name: str) -> HostReport:
    """Return one host's report. `name` is the host's name if the object gives none: its target is the same everywhere
    (`local`)."""
    if not _is_object(value):
        return HostReport(name, "unknown", why=NO_REPORT_TEXT)
    host = _host_name(value) or name
    failure = value.get("error")
    if _is_object(failure):
        return HostReport(host, "unknown", why=_without_name(_text(failure, "message") or NO_REPORT_TEXT, host))
    verdict = _VERDICTS.get(_text(value, "verdict"))
    if verdict is None:
        return HostReport(host, "unknown", why=NO_REPORT_TEXT)
    if verdict == "unknown":
        return HostReport(host, verdict, why=NO_ROUTE_TEXT)
    faults = tuple(_fault(item) for item in _objects(value, "findings") if _text(item, "role") in AT_FAULT)
    return HostReport(host, verdict, () if verdict == "healthy" else faults,
                      is_repaired=verdict == "healthy" and _text(value, "outcome") == "repaired")


def group_hosts(reports: Iterable[HostReport], notes: tuple[str, ...] = ()) -> FleetReport:
    """Return the hosts by cause, the largest group first. Of several reports of a host the last one counts."""
    last: dict[str, HostReport] = {}
    repeated = 0
    for report in reports:
        repeated += report.host in last
        last[report.host] = report
    hosts = sorted(last.values(), key=lambda report: natural_order(report.host))
    if repeated:
        notes = (*notes, f"the last report of a host counts; earlier ones: {repeated}")
    healthy = tuple(report.host for report in hosts if report.verdict == "healthy")
    groups, unseen = _groups(hosts), _unseen(hosts)
    return FleetReport(
        SCHEMA_VERSION, "not-healthy" if groups else "incomplete" if unseen else "healthy", len(hosts), healthy,
        tuple(report.host for report in hosts if report.is_repaired), groups, unseen, notes,
    )


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return the sort key that puts web-2 before web-10. Digits stay text: a name may have thousands of them."""
    parts = ((digits, "".join(part)) for digits, part in groupby(name, lambda char: char.isascii() and char.isdigit()))
    return tuple((0, len(text.lstrip("0")), text.lstrip("0")) if digits else (1, 0, text) for digits, text in parts)


def _groups(hosts: Iterable[HostReport]) -> tuple[FleetGroup, ...]:
    first: dict[_Key, list[tuple[str, HostFault | None]]] = {}
    also: dict[_Key, dict[str, HostFault]] = {}
    for report in hosts:
        if report.verdict not in ("degraded", "broken"):
            continue
        main = report.faults[0] if report.faults else None
        key = (main.cause, main.variant) if main else (None, None)
        first.setdefault(key, []).append((report.host, main))
        for fault in report.faults[1:]:
            if (fault.cause, fault.variant) != key:
                also.setdefault((fault.cause, fault.variant), {}).setdefault(report.host, fault)
    made = [_group(key, first.get(key, []), also.get(key, {})) for key in dict.fromkeys((*first, *also))]
    return tuple(sorted(made, key=lambda group: (-len(group.hosts), -len(group.also), group.cause or "~",
                                                 group.variant or "")))


def _group(key: _Key, first: list[tuple[str, HostFault | None]], also: Mapping[str, HostFault]) -> FleetGroup:
    faults = [fault for _, fault in first if fault is not None] + list(also.values())
    offered = Counter(fault.repairs[0] for fault in faults if fault.repairs)
    repairs = tuple(FleetRepair(name, risk, count) for (name, risk), count in offered.most_common())
    return FleetGroup(key[0], key[1], tuple(host for host, _ in first), tuple(also),
                      faults[0].summary if faults else "", repairs)


def _unseen(hosts: Iterable[HostReport]) -> tuple[UnseenGroup, ...]:
    reasons: dict[str, list[str]] = {}
    for report in hosts:
        if report.verdict == "unknown":
            reasons.setdefault(report.why, []).append(report.host)
    return tuple(UnseenGroup(why, tuple(names)) for why, names in
                 sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])))


def _host_name(value: _Object) -> str:
    """Return the name that the object gives: `host`, which a fleet's engine adds, or a target that names a host."""
    host = _text(value, "host")[:_LONGEST_NAME]
    target = _text(value, "target")[:_LONGEST_NAME]
    return host or ("" if target == "local" or target.startswith("bundle:") else target)


def _without_name(message: str, host: str) -> str:
    """Return the message without the host's name, so that one reason is one group. A name that may be a plain word
    ("changed") stays."""
    bare = host.removeprefix("ssh://").rpartition("@")[2]
    return message if bare.isalpha() else message.replace(host, "the host").replace(bare, "the host")


def _fault(item: _Object) -> HostFault:
    repairs = tuple((_text(repair, "id"), _RISKS.get(_text(repair, "risk"), "manual"))
                    for repair in _objects(item, "repairs"))
    return HostFault(_text(item, "cause"), _text(item, "variant") or None, _text(item, "summary"), repairs)


def _is_object(value: object) -> TypeGuard[_Object]:
    return isinstance(value, dict)


def _objects(value: _Object, key: str) -> list[_Object]:
    items = value.get(key)
    return [item for item in items if _is_object(item)] if isinstance(items, list) else []


def _text(value: _Object, key: str) -> str:
    text = value.get(key)
    return text[:_LONGEST_TEXT] if isinstance(text, str) else ""
