"""The report of a fleet for a terminal, and the sentences that all its formats share."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.model.fleet import FleetGroup, FleetReport
from fixer.render.terminal_text import PLAIN, Colour, Style, clean, hang, plain_text

NO_CAUSE_TEXT = "no cause proven"
UNSEEN_TEXT = "could not be looked at"
FEW_HOSTS = 8  # names of a group on a terminal; the other formats and `--verbose` list all


def render(report: FleetReport, style: Style = PLAIN, *, verbose: bool = False) -> str:
    """Return the counts in one line, then each group with its hosts, its summary and its repairs."""
    most = report.hosts if verbose else FEW_HOSTS
    colour: dict[str, Colour] = {"healthy": "green", "not-healthy": "red", "incomplete": "yellow"}
    title = plain_text(f"{count_text(report.hosts)}: {headline(report, few=True)}", style)
    lines = [style.paint(line, colour[report.verdict]) for line in hang(title, style.text_width, 0)]
    for group in report.groups:
        lines += ["", style.paint(f"  {group_name(group)}", "bold")]
        for text in group_texts(group, most):
            lines += hang(plain_text(text, style), style.text_width, 4)
    if report.unseen:
        lines += ["", style.paint(f"  {UNSEEN_TEXT}", "bold")]
    for unseen in report.unseen:
        text = f"{clean(unseen.reason)}: {names_text(unseen.hosts, most)}"
        lines += hang(plain_text(text, style), style.text_width, 4)
    lines += [""] if report.notes else []
    lines += [line for note in report.notes for line in hang(f"note: {clean(note)}", style.text_width, 2)]
    return "\n".join(lines) + "\n"


def headline(report: FleetReport, *, few: bool = False) -> str:
    """Return how many hosts are healthy, how many have which cause, how many could not be looked at. With `few`, a
    cause shows its first host."""
    parts = [f"{len(report.healthy)} healthy" + (f" ({len(report.repaired)} repaired)" if report.repaired else "")]
    for group in report.groups:
        if group.hosts:
            shown = f" ({names_text(group.hosts, 1)})" if few else ""
            parts.append(f"{len(group.hosts)} {group_name(group)}{shown}")
    unseen = sum(len(group.hosts) for group in report.unseen)
    return " · ".join([*parts, f"{unseen} {UNSEEN_TEXT}"] if unseen else parts)


def group_name(group: FleetGroup) -> str:
    """Return the cause, with its variant if that differs."""
    if group.cause is None:
        return NO_CAUSE_TEXT
    return clean(group.cause if group.variant in (None, group.cause) else f"{group.cause} ({group.variant})")


def group_texts(group: FleetGroup, most: int) -> list[str]:
    """Return the lines of a group: its hosts, at most so many names of them, the summary, the repairs."""
    lines = [f"{count_text(len(group.hosts))}: {names_text(group.hosts, most)}"] if group.hosts else []
    if group.also:
        lines.append(f"beside another cause on {count_text(len(group.also))}: {names_text(group.also, most)}")
    if group.summary:
        lines.append(f"{clean(group.summary)} ({clean((*group.hosts, *group.also)[0])})")
    return [*lines, *repair_texts(group)]


def repair_texts(group: FleetGroup) -> list[str]:
    """Return one line for each repair that is the first choice on a host."""
    total = len(group.hosts) + len(group.also)
    return [f"Repair, {'by hand' if repair.risk == 'manual' else repair.risk}: {clean(repair.id)} "
            f"on {repair.hosts} of {total}" for repair in group.repairs]


def names_text(hosts: Sequence[str], most: int) -> str:
    """Return the names, at most so many, and how many more there are."""
    shown = ", ".join(clean(host) for host in hosts[:most])
    left = len(hosts) - most
    return shown if left <= 0 else f"{shown}, …" if most == 1 else f"{shown} and {left} more"


def count_text(count: int) -> str:
    """Return a number of hosts."""
    return f"{count} host" if count == 1 else f"{count} hosts"
