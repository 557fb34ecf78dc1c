"""A report for a terminal: the cause first, then the proof, then what was ruled out, then the change."""

from __future__ import annotations

from fixer.model.diagnosis import AT_FAULT
from fixer.model.facts import Evidence
from fixer.model.report import CheckReport, FindingReport, Report, RouteReport
from fixer.render.plan_text import repair_lines
from fixer.render.terminal_text import (
    PLAIN,
    WIDTH,
    Colour,
    Style,
    clean,
    count_columns,
    pad,
    plain_text,
    shorten,
    shorten_middle,
    wrap,
)

SHOWN_ROUTES = 5
SHOWN_EVIDENCE = 8
SHOWN_LINES = 2  # of one piece of evidence
SHOWN_NAMES = 3
EVIDENCE_WIDTH = WIDTH - 8
WHERE_WIDTH = 38  # columns of an evidence's location, on the left


def render(report: Report, style: Style = PLAIN, *, verbose: bool = False) -> str:
    """Return the complete page."""
    main = [finding for finding in report.findings if finding.role in AT_FAULT]
    rest = [finding for finding in report.findings if finding.role not in AT_FAULT]
    lines = headline(report, style)
    for finding in main:
        lines += ["", *_finding_lines(finding, style, verbose=verbose)]
    for finding in rest:
        lines += ["", *_brief_finding_lines(finding, style, verbose=verbose)]
    if verbose:
        lines += _check_lines(report.checks, style)
    elif main or report.verdict != "healthy":
        lines += _ruled_out_lines(report.checks, style)
    for finding in main:
        lines += repair_lines(finding, report.target, style, verbose=verbose)
    lines += _note_lines(report.notes, style)
    return "\n".join(lines) + "\n"


def headline(report: Report, style: Style) -> list[str]:
    """Return what a visitor sees, one line a route, failing ones first; one line for all if all are healthy."""
    if report.verdict == "healthy":
        return [style.paint(f"{style.sign('✔')} {_all_healthy_text(report)}", "green")]
    bad = [route for route in report.routes if route.state in ("failing", "degraded")]
    if not bad:
        return [_verdict_line(report, style)]
    lines = [line for route in bad[:SHOWN_ROUTES] for line in _route_lines(route, style)]
    if len(bad) > SHOWN_ROUTES:
        lines.append(f"  and {_count_text(len(bad) - SHOWN_ROUTES, 'more route')}")
    return lines


def _all_healthy_text(report: Report) -> str:
    answered = sum(route.state == "ok" for route in report.routes)
    if answered:
        well = f"{_count_text(answered, 'route')} answer{'s' if answered == 1 else ''} through nginx"
        late = [route for route in report.routes if route.state == "unknown" and route.probe is not None]
        how = "could not be judged" if any(r.probe and r.probe.status for r in late) else "gave no answer in time"
        return f"{well}; {len(late)} {how} (see below)" if late else f"{well}; nothing to repair"
    return "healthy; nothing to repair"


def _verdict_line(report: Report, style: Style) -> str:
    match report.verdict:
        case "unknown":
            return style.paint(f"{style.sign('?')} {_unknown_text(report)}", "yellow")
        case "degraded":
            return style.paint(f"{style.sign('✗')} {clean(report.target)} fails for some requests", "yellow")
        case _:
            return style.paint(f"{style.sign('✗')} {clean(report.target)} is broken", "red")


def _unknown_text(report: Report) -> str:
    answered = sum(route.state == "ok" for route in report.routes)
    if not answered:
        return f"no route of {clean(report.target)} could be judged"
    late = sum(route.state == "unknown" and route.probe is not None for route in report.routes)
    well = f"{_count_text(answered, 'route')} answer{'s' if answered == 1 else ''} through nginx"
    return f"{well}; {late} gave no answer in time and could not be judged"


def _route_lines(route: RouteReport, style: Style) -> list[str]:
    """Return the route and its state in at most two lines."""
    first, *rest = wrap(f"{style.sign('✗')} {_route_line(route)}", WIDTH - 2)
    more = [f"  {shorten(' '.join(rest), WIDTH - 2, style)}"] if rest else []
    return [style.paint(line, _route_colour(route)) for line in (first, *more)]


def _route_line(route: RouteReport) -> str:
    name = f"{clean(route.location)} on {clean(address_of(route))}"
    return f"{name} {clean(route.reason) or _route_state_text(route)}"


def address_of(route: RouteReport) -> str:
    """Return the route's site as an address: `http://_:80`, `https://shop.example`."""
    server = route.server_names[0] if route.server_names else "_"
    port = route.listen.rpartition(":")[2]
    if route.listen.startswith("unix:"):
        return f"{server} ({route.listen})"
    usual = route.scheme == "https" and port == "443"
    return f"{route.scheme}://{server or '_'}{'' if usual else f':{port}'}"


def _route_state_text(route: RouteReport) -> str:
    if route.probe is None:
        return "fails"
    if route.probe.status is None:
        return f"gives no answer ({clean(route.probe.error or 'no reply')})"
    return f"answers {route.probe.status}"


def _route_colour(route: RouteReport) -> Colour:
    return "yellow" if route.state == "degraded" else "red"


def _finding_lines(finding: FindingReport, style: Style, *, verbose: bool) -> list[str]:
    lines = [f"  {style.paint(cause_name(finding), 'bold')} {style.sign('·')} "
             f"{finding.confidence}{_role_text(finding, style)}"]
    for text in (finding.summary, *finding.detail):
        lines += [f"  {line}" for line in wrap(clean(text), WIDTH - 2)]
    return [*lines, "", *evidence_lines(finding.evidence, style, verbose=verbose)]


def cause_name(finding: FindingReport) -> str:
    """Return the cause, with its variant if that differs."""
    variant = finding.variant
    return clean(finding.cause if variant in (None, finding.cause) else f"{finding.cause} ({variant})")


def _role_text(finding: FindingReport, style: Style) -> str:
    return "" if finding.role == "root" else f" {style.sign('·')} {finding.role}"


def _brief_finding_lines(finding: FindingReport, style: Style, *, verbose: bool) -> list[str]:
    """Return a consequence or advice in a line or two, with its evidence only if `verbose`."""
    label = "Consequence" if finding.role == "consequence" else "Advice"
    text = wrap(f"{label}: {cause_name(finding)}. {clean(finding.summary)}", WIDTH - 4)
    lines = [f"  {text[0]}", *(f"    {line}" for line in text[1:])]
    return [*lines, *evidence_lines(finding.evidence, style, verbose=True)] if verbose else lines


def evidence_lines(evidence: tuple[Evidence, ...], style: Style, *, verbose: bool, indent: int = 4) -> list[str]:
    """Return where each thing was observed, and the text there."""
    shown = evidence if verbose else evidence[:SHOWN_EVIDENCE]
    column = min(WHERE_WIDTH, max((count_columns(clean(item.where)) for item in shown), default=0))
    lines = [line for item in shown for line in _evidence_item_lines(item, column, style, verbose=verbose)]
    if len(evidence) > len(shown):
        lines.append(f"and {len(evidence) - len(shown)} more (--verbose)")
    return [f"{' ' * indent}{line}".rstrip() for line in lines]


def _evidence_item_lines(item: Evidence, column: int, style: Style, *, verbose: bool) -> list[str]:
    where, text = clean(item.where), clean(item.text.strip())
    beside = count_columns(where) <= column
    room = EVIDENCE_WIDTH - 2 - (column if beside else 0)
    parts = wrap(text, room)
    if not verbose and len(parts) > SHOWN_LINES:
        parts = [*parts[:SHOWN_LINES - 1], shorten(" ".join(parts[SHOWN_LINES - 1:]), room, style)]
    if not beside:
        places = wrap(where, EVIDENCE_WIDTH) if verbose else [shorten_middle(where, EVIDENCE_WIDTH, style)]
        return [*places, *(f"  {part}" for part in parts)]
    first, *more = parts
    return [f"{style.paint(pad(where, column), 'dim')}  {first}", *(f"{' ' * column}  {part}" for part in more)]


def _ruled_out_lines(checks: tuple[CheckReport, ...], style: Style) -> list[str]:
    out = [check.cause for check in checks if check.verdict == "ruled-out"]
    open_ = [check for check in checks if check.verdict == "undetermined"]
    lines: list[str] = []
    if out:
        lines += _listed_lines("Ruled out", out)
    if open_:
        lines += _listed_lines("Undetermined", [_with_missing(check) for check in open_])
    return ["", *(plain_text(line, style) for line in lines)] if lines else []


def _listed_lines(label: str, names: list[str]) -> list[str]:
    shown = ", ".join(names[:SHOWN_NAMES])
    more = f", {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    first, *rest = wrap(f"{label}: {shown}{more} (--verbose)", WIDTH - 4)
    return [f"  {first}", *(f"    {line}" for line in rest)]


def _with_missing(check: CheckReport) -> str:
    return f"{check.cause} ({clean(check.missing[0])})" if check.missing else check.cause


def _check_lines(checks: tuple[CheckReport, ...], style: Style) -> list[str]:
    lines = ["", "  Every check"]
    signs = {"found": "✗", "ruled-out": "✔", "undetermined": "?"}
    for check in checks:
        sign = pad(style.sign(signs[check.verdict]), style.sign_width)
        lines.append(f"    {sign} {pad(clean(check.cause), 28)} {check.verdict}")
        if check.verdict == "ruled-out":
            lines += evidence_lines(check.evidence, style, verbose=True, indent=8)
        for missing in check.missing:
            lines += [f"        {line}" for line in wrap(f"not known: {clean(missing)}", WIDTH - 8)]
    return lines


def _note_lines(notes: tuple[str, ...], style: Style) -> list[str]:
    lines: list[str] = []
    for note in notes:
        first, *rest = wrap(f"note: {clean(note)}", WIDTH - 4)
        lines += [style.paint(f"  {first}", "dim"), *(style.paint(f"    {line}", "dim") for line in rest)]
    return ["", *lines] if lines else []


def _count_text(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
