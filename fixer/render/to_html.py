"""A report as one HTML file without scripts and external resources; every text of the target is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fixer.model.report import CheckReport, FindingReport, RepairReport, Report, RouteReport
from fixer.render.terminal_text import clean, clean_lines
from fixer.render.to_console import address_of, cause_name

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1 .broken,h1 .unknown{color:#c0262d}h1 .degraded{color:#b7791f}h1 .healthy{color:#1a7f37}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0}
code,pre{font:14px/1.45 ui-monospace,monospace;overflow-wrap:anywhere}
pre{overflow-x:auto;padding:.6rem;border:1px solid #8884;border-radius:6px}
ins{color:#1a7f37;text-decoration:none}del{color:#c0262d;text-decoration:none}
section{border-top:1px solid #8884;margin-top:1.5rem}
"""


def render(report: Report) -> str:
    """Return the complete page."""
    title = f"{escape_text(report.target)}: {report.verdict}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f'<h1><code>{escape_text(report.target)}</code> <span class="{report.verdict}">{report.verdict}</span></h1>',
        _table(("Route", "Answer", "Where"), [_route(route) for route in report.routes]),
        *(_finding(finding) for finding in report.findings),
        _checks(report.checks),
        *(f"<p>Note: {escape_text(note)}</p>" for note in report.notes),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def escape_text(raw: str) -> str:
    """Return text of the target with control characters and markup escaped."""
    return escape(clean(raw))


def _route(route: RouteReport) -> tuple[str, str, str]:
    status = "not probed" if route.probe is None else str(route.probe.status or route.probe.error or "no answer")
    return (
        escape_text(f"{route.location} on {address_of(route)}"),
        escape_text(route.reason or status),
        escape_text(f"{route.source.file}:{route.source.line}"),
    )


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td><code>{cell}</code></td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _finding(finding: FindingReport) -> str:
    said = "".join(f"<p>{escape_text(line)}</p>" for line in (finding.summary, *finding.detail))
    evidence = [(escape_text(item.source), escape_text(item.where), escape_text(item.text))
                for item in finding.evidence]
    repairs = "".join(_repair(repair) for repair in finding.repairs)
    return (f"<section><h2>{escape_text(cause_name(finding))}</h2><p>{finding.role}, {finding.confidence}, "
            f"{escape_text(finding.node)}</p>{said}{_table(('Source', 'Where', 'What'), evidence)}{repairs}</section>")


def _repair(repair: RepairReport) -> str:
    steps = "".join(f"<li>{escape_text(step)}</li>" for step in repair.steps)
    needs = "".join(f"<p>Needs <code>{escape_text(need.key)}</code>: {escape_text(need.why)}</p>"
                    for need in repair.needs)
    diff = f"<pre>{chr(10).join(_diff_line(line) for line in clean_lines(repair.diff.rstrip(chr(10))))}</pre>"
    return (f"<h3>Repair, {repair.risk}: "
            f"{escape_text(repair.summary)}</h3>{f'<ol>{steps}</ol>' if steps else ''}{needs}"
            f"{diff if repair.diff else ''}")


def _diff_line(line: str) -> str:
    if line.startswith("+"):
        return f"<ins>{escape(line)}</ins>"
    return f"<del>{escape(line)}</del>" if line.startswith("-") else escape(line)


def _checks(checks: tuple[CheckReport, ...]) -> str:
    rows = [
        (escape_text(check.cause), check.verdict,
         escape_text("; ".join(check.missing)
                     or "; ".join(f"{item.where}: {item.text}" for item in check.evidence[:2])))
        for check in checks
    ]
    table = _table(("Check", "Verdict", "Why"), rows)
    return f"<section><h2>Every check</h2>{table}</section>" if table else ""
