"""The report of a fleet as Markdown for a ticket, and as one HTML file; every text of a host is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fixer.model.fleet import FleetGroup, FleetReport
from fixer.render.fleet_to_console import UNSEEN_TEXT, count_text, group_name, headline, repair_texts
from fixer.render.to_html import breakable, escape_text, html_page, html_table
from fixer.render.to_markdown import code_span

_VERDICT_CLASS = {"healthy": "healthy", "not-healthy": "broken", "incomplete": "degraded"}


def render_markdown(report: FleetReport) -> str:
    """Return the complete report: all hosts of all groups."""
    lines = [f"# {count_text(report.hosts)}: {headline(report)}"]
    for group in report.groups:
        lines += ["", f"## {code_span(group_name(group))}", "", *_items(group.hosts, "")]
        lines += _items(group.also, " beside another cause")
        lines += ["", code_span(group.summary)] if group.summary else []
        lines += [line for text in repair_texts(group) for line in ("", text)]
    if report.unseen:
        lines += ["", f"## {UNSEEN_TEXT}", ""]
        lines += [f"- {code_span(unseen.reason)}: {_spans(unseen.hosts)}" for unseen in report.unseen]
    if report.healthy:
        lines += ["", "## healthy", "", *_items(report.healthy, "")]
    lines += [line for note in report.notes for line in ("", f"> {code_span(note)}")]
    return "\n".join(lines) + "\n"


def _items(hosts: Sequence[str], what: str) -> list[str]:
    return [f"- {count_text(len(hosts))}{what}: {_spans(hosts)}"] if hosts else []


def _spans(hosts: Iterable[str]) -> str:
    return ", ".join(code_span(host) for host in hosts)


def render_html(report: FleetReport) -> str:
    """Return the complete page."""
    rows = [_group_row(group) for group in report.groups]
    unseen = [(f'<span class="unknown">{breakable(group.reason)}</span>', str(len(group.hosts)), _names(group.hosts))
              for group in report.unseen]
    healthy = f"<p>{_names(report.healthy)}</p>" if report.healthy else ""
    parts = [
        f'<h1>{count_text(report.hosts)}</h1>',
        f'<div class="summary"><p class="{_VERDICT_CLASS[report.verdict]}">{escape_text(headline(report))}</p></div>',
        _section("Causes", html_table(("Cause", "Hosts", "Which, and what to do"), rows)),
        _section(UNSEEN_TEXT.capitalize(), html_table(("Reason", "Hosts", "Which"), unseen)),
        _section("Healthy", healthy),
        _section("Notes", "".join(f"<p>{breakable(note)}</p>" for note in report.notes)),
    ]
    return html_page(f"{count_text(report.hosts)}: {headline(report)}", parts)


def _group_row(group: FleetGroup) -> tuple[str, str, str]:
    said = [f"<p>{_names(group.hosts)}</p>"] if group.hosts else []
    said += [f"<p>beside another cause: {_names(group.also)}</p>"] if group.also else []
    said += [f"<p>{breakable(group.summary)}</p>"] if group.summary else []
    said += [f"<p>{escape_text(text)}</p>" for text in repair_texts(group)]
    return f'<span class="found">{breakable(group_name(group))}</span>', str(len(group.hosts)), "".join(said)


def _names(hosts: Iterable[str]) -> str:
    return ", ".join(f"<code>{breakable(host)}</code>" for host in hosts)


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""
