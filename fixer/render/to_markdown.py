"""A report as Markdown for a ticket; text from the target is in code spans, where nothing is markup."""

from __future__ import annotations

from fixer.model.facts import Evidence
from fixer.model.report import FindingReport, RepairReport, Report, RouteReport, causes_by_missing_fact
from fixer.render.plan_text import MECHANISM_TEXT, is_proven_by_mechanism, shown_steps
from fixer.render.terminal_text import clean, clean_lines
from fixer.render.to_console import address_of, cause_name


def render(report: Report) -> str:
    """Return the complete report."""
    lines = [f"# {code_span(report.target)}: {report.verdict}", ""]
    lines += [_route(route) for route in report.routes]
    for finding in report.findings:
        lines += _finding(finding)
    ruled_out = [check.cause for check in report.checks if check.verdict == "ruled-out"]
    waiting = causes_by_missing_fact((c.cause, c.missing) for c in report.checks if c.verdict == "undetermined")
    if ruled_out:
        lines += ["", f"Ruled out: {', '.join(ruled_out)}."]
    for fact, causes in waiting.items():
        why = f"not known: {code_span(fact)}" if fact else "no missing fact is named"
        lines += ["", f"Undetermined, {why} ({', '.join(causes)})."]
    lines += [line for note in report.notes for line in ("", f"> {code_span(note)}")]
    return "\n".join(lines).rstrip() + "\n"


def _route(route: RouteReport) -> str:
    status = "not probed" if route.probe is None else str(route.probe.status or route.probe.error or "no answer")
    place = code_span(f"{route.source.file}:{route.source.line}")
    return f"- {code_span(f'{route.location} on {address_of(route)}')}: {code_span(route.reason or status)} ({place})"


def _finding(finding: FindingReport) -> list[str]:
    lines = ["", f"## {code_span(cause_name(finding))}", "",
             f"{finding.role}, {finding.confidence}, {code_span(finding.node)}", ""]
    lines += [code_span(text) for text in (finding.summary, *finding.detail)]
    lines += ["", *(_evidence(item) for item in finding.evidence)]
    return [*lines, *(line for repair in finding.repairs for line in _repair(repair))]


def _evidence(item: Evidence) -> str:
    return f"- {item.source} {code_span(item.where)}: {code_span(item.text)}"


def _repair(repair: RepairReport) -> list[str]:
    lines = ["", f"### Repair, {repair.risk}: {code_span(repair.summary)}", "", f"id {code_span(repair.id)}", ""]
    lines += [MECHANISM_TEXT, ""] if is_proven_by_mechanism(repair) else []
    lines += [f"{number}. {code_span(step)}" for number, step in enumerate(shown_steps(repair), 1)]
    lines += [f"- needs {code_span(need.key)}: {code_span(need.why)}" for need in repair.needs]
    return [*lines, "", *fenced_diff(repair.diff)] if repair.diff else lines


def code_span(text: str) -> str:
    """Return a code span for any text: its fence is longer than every run of backticks in it."""
    inner = clean(text)
    fence = "`" * (_longest_run(inner) + 1)
    room = " " if inner.startswith("`") or inner.endswith("`") or not inner else ""
    return f"{fence}{room}{inner}{room}{fence}"


def fenced_diff(diff: str) -> list[str]:
    """Return a diff as a code block whose fence nothing in it can close."""
    fence = "`" * max(3, _longest_run(diff) + 1)
    return [f"{fence}diff", *clean_lines(diff.rstrip("\n")), fence]


def _longest_run(text: str) -> int:
    longest = run = 0
    for char in text:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    return longest
