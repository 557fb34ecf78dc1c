"""A report as one HTML file without scripts and external resources; every text of the target is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from fixer import __version__
from fixer.lazy.regex import regex
from fixer.model.diagnosis import AT_FAULT
from fixer.model.facts import Evidence
from fixer.model.report import (
    CheckReport,
    FindingReport,
    RepairReport,
    Report,
    RouteReport,
    causes_by_missing_fact,
)
from fixer.render.plan_text import MECHANISM_TEXT, is_proven_by_mechanism, repair_command, shown_steps
from fixer.render.terminal_text import clean, clean_lines
from fixer.render.to_console import address_of, cause_name, headline_titles

_LONG_WORD = 34  # characters that fit into a page of 400 pixels
_HINGES = frozenset("-/?|()[]{}%!")  # where a browser may wrap a word
_GAPS = regex(r"(?<=[^/:][/,;=&?])(?=[^/])")

# A browser would wrap words at hyphens and slashes: short ones are kept whole, long ones wrap at a <wbr>.
# `break-word` splits one without any such place rather than scroll the page.
_STYLE = """
:root{color-scheme:light dark;--text:#1f2328;--back:#fff;--line:#d0d7de;--soft:#59636e;--plate:#f6f8fa;
--red:#b3261e;--green:#116329;--amber:#7d4e00}
@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#0d1117;--line:#3d444d;--soft:#9ea7b3;--plate:#161b22;
--red:#ff8a80;--green:#56d364;--amber:#e3b341}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:1rem;color:var(--text);
background:var(--back);overflow-wrap:break-word}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.25rem;margin:1.5rem 0 .25rem}h3{font-size:1rem;margin:1rem 0 .25rem}
p{margin:.35rem 0}section{border-top:1px solid var(--line);margin-top:1.5rem}
.broken,.unknown,.failing,.found{color:var(--red)}.degraded,.undetermined{color:var(--amber)}
.healthy,.ok,.ruled-out{color:var(--green)}
.summary{background:var(--plate);border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.1rem 1rem;margin:.75rem 0}
dt{color:var(--soft)}dd{margin:0;min-width:0}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:normal}
.one{white-space:nowrap}
td:last-child{width:55%;padding-right:0}
code,pre{font:14px/1.45 ui-monospace,monospace}
pre{white-space:pre-wrap;margin:.5rem 0;padding:.6rem;background:var(--plate);border:1px solid var(--line);
border-radius:6px}
ins{color:var(--green);text-decoration:none}del{color:var(--red);text-decoration:none}
@media (max-width:44rem){thead{display:none}table,tbody,tr,td{display:block}td,td:last-child{width:auto;border:0;
padding:.1rem 0}tr{border-bottom:1px solid var(--line);padding:.4rem 0}
td::before{content:attr(data-title);display:block;color:var(--soft);font-size:.8rem}}
"""


def render(report: Report) -> str:
    """Return the complete page."""
    parts = [
        f'<h1>{_code(report.target)} <span class="{report.verdict}">{report.verdict}</span></h1>',
        _summary(report),
        _origin(report),
        _section("Routes", html_table(("Route", "Answer", "Where"), [_route(route) for route in report.routes])),
        *(_finding(finding) for finding in report.findings),
        _section("Every check", html_table(("Check", "Verdict", "Why"), _checks(report.checks))),
        _section("Notes", "".join(f"<p>{breakable(note)}</p>" for note in report.notes)),
    ]
    return html_page(f"{report.target}: {report.verdict}", parts)


def html_page(title: str, parts: Iterable[str]) -> str:
    """Return a page with this title, which is escaped here, and these elements."""
    lines = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape_text(title)}</title><style>{_STYLE}</style></head><body>",
        *parts,
        "</body></html>",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def escape_text(raw: str) -> str:
    """Return text of the target with control characters and markup escaped."""
    return escape(clean(raw))


def breakable(raw: str) -> str:
    """Return escaped text that wraps at spaces, and after a separator of a long word (a path, a URL)."""
    return " ".join(_breakable_word(word) for word in clean(raw).split(" "))


def _breakable_word(word: str) -> str:
    parts = _GAPS.split(word) if len(word) > _LONG_WORD else [word]
    return "<wbr>".join(escape(part) if len(part) > _LONG_WORD or not _HINGES.intersection(part)
                        else f'<span class="one">{escape(part)}</span>' for part in parts)


def _code(raw: str) -> str:
    return f"<code>{breakable(raw)}</code>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _summary(report: Report) -> str:
    """Return the report in a few lines: what visitors see, the causes, and what to do."""
    lines = [f'<p class="{report.verdict}">{breakable(title.text)}</p>' for title in headline_titles(report)]
    for finding in report.findings:
        if finding.role not in AT_FAULT:
            continue
        lines.append(f"<p><strong>{breakable(cause_name(finding))}</strong>, {finding.confidence}: "
                     f"{breakable(finding.summary)}</p>")
        lines += [_offer(repair, report.target) for repair in finding.repairs[:1]]
    return f'<div class="summary">{"".join(lines)}</div>'


def _offer(repair: RepairReport, target: str) -> str:
    risk = "by hand" if repair.risk == "manual" else repair.risk
    command = "" if repair.waits or repair.risk == "manual" else f" {_code(repair_command(repair, target))}"
    return f"<p>Repair, {risk}: {breakable(repair.summary)}{command}</p>"


def _origin(report: Report) -> str:
    """Return where, when and by which version the target was observed."""
    facts = [
        ("Target", report.target), ("Host", report.host),
        ("Observed", _time_text(report.observed_at) if report.observed_at else ""),
        ("fixer", f"{__version__}, {report.duration_ms:.0f} ms"),
    ]
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{breakable(text)}</dd>' for name, text in facts if text)}</dl>"


def _time_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _route(route: RouteReport) -> tuple[str, str, str]:
    status = "not probed" if route.probe is None else str(route.probe.status or route.probe.error or "no answer")
    return (
        _code(f"{route.location} on {address_of(route)}"),
        f'<span class="{route.state}">{breakable(route.reason or status)}</span>',
        _code(f"{route.source.file}:{route.source.line}"),
    )


def html_table(titles: tuple[str, ...], rows: Sequence[tuple[str, str, str]]) -> str:
    """Return a table of elements, empty without rows; on a narrow screen each cell shows its title."""
    if not rows:
        return ""
    head = "".join(f"<th>{title}</th>" for title in titles)
    cells = ("".join(f'<td data-title="{title}">{cell}</td>' for title, cell in zip(titles, row, strict=True))
             for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _finding(finding: FindingReport) -> str:
    said = "".join(f"<p>{breakable(line)}</p>" for line in (finding.summary, *finding.detail))
    rows = [(escape_text(item.source), _code(item.where), _code(item.text)) for item in finding.evidence]
    evidence = html_table(("Source", "Where", "What"), rows)
    repairs = "".join(_repair(repair) for repair in finding.repairs)
    return (f"<section><h2>{breakable(cause_name(finding))}</h2><p>{finding.role}, {finding.confidence}, "
            f"{breakable(finding.node)}</p>{said}{evidence}{repairs}</section>")


def _repair(repair: RepairReport) -> str:
    steps = "".join(f"<li>{breakable(step)}</li>" for step in shown_steps(repair))
    needs = "".join(f"<p>Needs {_code(need.key)}: {breakable(need.why)}</p>" for need in repair.needs)
    diff = f"<pre>{chr(10).join(_diff_line(line) for line in clean_lines(repair.diff.rstrip(chr(10))))}</pre>"
    proof = f"<p>{MECHANISM_TEXT}</p>" if is_proven_by_mechanism(repair) else ""
    return (f"<h3>Repair, {repair.risk}: "
            f"{breakable(repair.summary)}</h3>{proof}{f'<ol>{steps}</ol>' if steps else ''}{needs}"
            f"{diff if repair.diff else ''}")


def _diff_line(line: str) -> str:
    if line.startswith("+"):
        return f"<ins>{breakable(line)}</ins>"
    return f"<del>{breakable(line)}</del>" if line.startswith("-") else breakable(line)


def _checks(checks: tuple[CheckReport, ...]) -> list[tuple[str, str, str]]:
    """Return one row for each reason: the causes that were found, those that wait for a fact, those ruled out."""
    waiting = causes_by_missing_fact((c.cause, c.missing) for c in checks if c.verdict == "undetermined")
    ruled_out: dict[tuple[Evidence, ...], list[str]] = {}
    for check in checks:
        if check.verdict == "ruled-out":
            ruled_out.setdefault(check.evidence, []).append(check.cause)
    return [
        *(_check_row((check.cause,), "found", "its evidence is above") for check in checks
          if check.verdict == "found"),
        *(_check_row(causes, "undetermined", f"not known: {breakable(fact)}" if fact else "no missing fact is named")
          for fact, causes in waiting.items()),
        *(_check_row(causes, "ruled-out", _evidence(evidence) or "nothing observed points to it")
          for evidence, causes in ruled_out.items()),
    ]


def _check_row(causes: Iterable[str], verdict: str, why: str) -> tuple[str, str, str]:
    return breakable(", ".join(causes)), f'<span class="one {verdict}">{verdict}</span>', why


def _evidence(evidence: tuple[Evidence, ...]) -> str:
    return "".join(f"<p>{_code(item.where)}: {_code(item.text)}</p>" for item in evidence)
