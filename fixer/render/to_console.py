"""A report for a terminal: the cause first, then the proof, then what was ruled out, then the change."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import AT_FAULT
from fixer.model.facts import Evidence
from fixer.model.report import (
    WITHOUT_ROOT_TEXT,
    CheckReport,
    FindingReport,
    Report,
    RouteReport,
    causes_by_missing_fact,
)
from fixer.render.terminal_text import (
    PLAIN,
    SHORTEST_COLUMN,
    Colour,
    Style,
    clean,
    command_lines,
    count_columns,
    hang,
    longest_word,
    pad,
    plain_text,
    wrap,
)

with lazy_imports():
    from fixer.render.plan_text import offer_lines
    from fixer.render.translated_titles import finding_title, note_text, word_text

SHOWN_ROUTES = 5
SHOWN_EVIDENCE = 8
SHOWN_NAMES = 3
SHOWN_FACTS = 4  # missing ones
SHOWN_WAITING = 8  # causes that wait for one fact: all, or so many and the number of the others
SHOWN_TEXT = 2000  # characters of one piece of evidence


@dataclass(frozen=True, slots=True)
class Title:
    """A line of the headline: its symbol, its clean text, its colour."""

    symbol: str
    text: str
    colour: Colour | None


def render(report: Report, style: Style = PLAIN, *, verbose: bool = False, as_root: str = "") -> str:
    """Return the complete page. `as_root` is the command that reads the target as root; empty if there is none."""
    main = [finding for finding in report.findings if finding.role in AT_FAULT]
    rest = [finding for finding in report.findings if finding.role not in AT_FAULT]
    root_lines = needs_root_lines(report, as_root, style)
    lines = [*headline(report, style), *root_lines]
    for finding in main:
        lines += ["", *finding_lines(finding, style, verbose=verbose)]
    for finding in rest:
        lines += ["", *_brief_finding_lines(finding, style, verbose=verbose)]
    if verbose:
        lines += _check_lines(report.checks, style)
    elif main or report.verdict != "healthy":
        lines += _ruled_out_lines(report.checks, style)
    lines += offer_lines(main, report.target, style, verbose=verbose)
    notes = tuple(note for note in report.notes if not (root_lines and note.endswith(WITHOUT_ROOT_TEXT)))
    lines += _note_lines(notes, style)
    return "\n".join(lines) + "\n"


def needs_root_lines(report: Report, as_root: str, style: Style) -> list[str]:
    """Return how to run fixer as root if facts are unknown without it."""
    is_open = not report.checks or any(check.verdict == "undetermined" for check in report.checks)
    if not as_root or not report.without_root or report.verdict == "healthy" or not is_open:
        return []
    why = style.say("console/without-root", "Without root some owners of sockets and some files are unknown.")
    run = command_lines(style.say("console/run", "Run: {command}", command=clean(as_root)), style.text_width, 2)
    return [*(style.paint(line, "bold") for line in run), *hang(why, style.text_width, 2)]


def headline(report: Report, style: Style) -> list[str]:
    """Return what a visitor sees, one line a route, failing ones first; one line for all if all are healthy."""
    return [line for title in headline_titles(report, style) for line in _title_lines(title, style)]


def headline_titles(report: Report, style: Style = PLAIN) -> list[Title]:
    """Return the headline unwrapped."""
    if report.verdict == "healthy":
        passed_on = sum(route.passed_on for route in report.routes)
        if passed_on:       # nginx is well, visitors see an error all the same
            return [Title("!", _passed_on_text(report, passed_on, style), "yellow")]
        return [Title("✔", _all_healthy_text(report, style), "green")]
    bad = [route for route in report.routes if route.state in ("failing", "degraded")]
    if not bad:
        return [_verdict_title(report, style)]
    titles = [Title("✗", _route_text(route, style), _route_colour(route)) for route in bad[:SHOWN_ROUTES]]
    if len(bad) > SHOWN_ROUTES:
        titles.append(Title("", _more_routes_text(len(bad) - SHOWN_ROUTES, style), None))
    return titles


def _title_lines(title: Title, style: Style) -> list[str]:
    if title.colour is None:
        return hang(title.text, style.text_width, 2)
    lines = hang(f"{style.sign(title.symbol)} {title.text}", style.text_width, 0)
    return [style.paint(line, title.colour) for line in lines]


def _more_routes_text(number: int, style: Style) -> str:
    return style.say("console/more-routes", "and {number} more {routes}", number=number,
                     routes="route" if number == 1 else "routes")


def _all_healthy_text(report: Report, style: Style) -> str:
    answered = sum(route.state == "ok" for route in report.routes)
    if not answered:
        return style.say("console/healthy", "healthy; nothing to repair")
    well = _answering_text(answered, style)
    late = [route for route in report.routes if route.state == "unknown" and route.probe is not None]
    if not late:
        return style.say("console/all-answer", "{well}; nothing to repair", well=well)
    if any(r.probe and r.probe.status for r in late):
        return style.say("console/some-not-judged", "{well}; {number} could not be judged (see below)", well=well,
                         number=len(late))
    return style.say("console/some-late", "{well}; {number} gave no answer in time (see below)", well=well,
                     number=len(late))


def _passed_on_text(report: Report, number: int, style: Style) -> str:
    well = _answering_text(sum(route.state == "ok" for route in report.routes), style)
    return style.say("console/passed-on", "{well}, {number} of them with an error of the application (see below)",
                     well=well, number=number)


def _answering_text(number: int, style: Style) -> str:
    return style.say("console/answering", "{number} {routes_answer} through nginx", number=number,
                     routes_answer="route answers" if number == 1 else "routes answer")


def _verdict_title(report: Report, style: Style) -> Title:
    target = clean(report.target)
    match report.verdict:
        case "unknown":
            return Title("?", _unknown_text(report, style), "yellow")
        case "degraded":
            said = style.say("console/degraded", "{target} fails for some requests", target=target)
            return Title("✗", said, "yellow")
        case _:
            return Title("✗", style.say("console/broken", "{target} is broken", target=target), "red")


def _unknown_text(report: Report, style: Style) -> str:
    answered = sum(route.state == "ok" for route in report.routes)
    if not answered:
        return style.say("console/none-judged", "no route of {target} could be judged", target=clean(report.target))
    late = sum(route.state == "unknown" and route.probe is not None for route in report.routes)
    return style.say("console/some-unknown", "{well}; {late} gave no answer in time and could not be judged",
                     well=_answering_text(answered, style), late=late)


def _route_text(route: RouteReport, style: Style) -> str:
    return style.say("console/route", "{location} on {address} {state}", location=clean(route.location),
                     address=clean(address_of(route)), state=_reason_text(route, style))


def _reason_text(route: RouteReport, style: Style) -> str:
    """Return how the route does; in another language its state, then the reason as fixer says it."""
    state, reason = _route_state_text(route, style), clean(route.reason)
    if style.catalogue is None or not reason:
        return reason or state
    if route.state == "degraded":
        state = style.say("console/fails-partly", "fails for some requests")
    return style.say("console/state-and-reason", "{state} ({reason})", state=state, reason=reason)


def address_of(route: RouteReport) -> str:
    """Return the route's site as an address: `http://*:80` (any name), `https://shop.example`."""
    server = next((name for name in route.server_names if name not in ("", "_")), "*")
    port = route.listen.rpartition(":")[2]
    if route.listen.startswith("unix:"):
        return f"{server} ({route.listen})"
    usual = route.scheme == "https" and port == "443"
    return f"{route.scheme}://{server}{'' if usual else f':{port}'}"


def _route_state_text(route: RouteReport, style: Style) -> str:
    if route.probe is None:
        return style.say("console/fails", "fails")
    if route.probe.status is None:
        return style.say("console/no-answer", "gives no answer ({error})", error=clean(route.probe.error or "no reply"))
    return style.say("console/answers", "answers {status}", status=route.probe.status)


def _route_colour(route: RouteReport) -> Colour:
    return "yellow" if route.state == "degraded" else "red"


def finding_lines(finding: FindingReport, style: Style, *, verbose: bool) -> list[str]:
    """Return a finding with its evidence."""
    name, dot = cause_name(finding), style.sign("·")
    sure = word_text(finding.confidence, style)
    first, *rest = hang(f"{name} {dot} {sure}{_role_text(finding, style)}", style.text_width, 2)
    lines = [first.replace(name, style.paint(name, "bold"), 1), *rest]
    shown = finding.detail if verbose else finding.detail[:SHOWN_EVIDENCE]
    more = _more_text(len(finding.detail) - len(shown), style)
    for text in (finding_title(finding, style), finding.summary, *shown, more):
        lines += [f"  {line}" for line in wrap(clean(text), style.text_width - 2)] if text else []
    return [*lines, "", *evidence_lines(finding.evidence, style, verbose=verbose)]


def _more_text(number: int, style: Style) -> str:
    return style.say("console/more-evidence", "and {number} more: fixer diagnose -v", number=number) if number else ""


def cause_name(finding: FindingReport) -> str:
    """Return the cause, with its variant if that differs."""
    variant = finding.variant
    return clean(finding.cause if variant in (None, finding.cause) else f"{finding.cause} ({variant})")


def _role_text(finding: FindingReport, style: Style) -> str:
    return "" if finding.role == "root" else f" {style.sign('·')} {word_text(finding.role, style)}"


def _brief_finding_lines(finding: FindingReport, style: Style, *, verbose: bool) -> list[str]:
    """Return a consequence or advice in a line or two, with its evidence only if `verbose`."""
    words = {"name": cause_name(finding), "summary": clean(finding.summary)}
    if finding.role == "consequence":
        text = style.say("console/consequence", "Consequence: {name}. {summary}", **words)
    else:
        text = style.say("console/advice", "Advice: {name}. {summary}", **words)
    lines = hang(text, style.text_width, 2)
    return [*lines, *evidence_lines(finding.evidence, style, verbose=True)] if verbose else lines


def evidence_lines(evidence: tuple[Evidence, ...], style: Style, *, verbose: bool, indent: int = 4) -> list[str]:
    """Return where each thing was observed, and the text there: wrapped, never cut, no word broken."""
    shown = evidence if verbose else evidence[:SHOWN_EVIDENCE]
    room = style.width - indent - 4
    longest = max((count_columns(clean(item.where)) for item in shown), default=0)
    column = min(longest, room * 10 // 19)
    lines = [line for item in shown for line in _evidence_item_lines(item, column, room, style, verbose=verbose)]
    if more := _more_text(len(evidence) - len(shown), style):
        lines.append(more)
    return [f"{' ' * indent}{line}".rstrip() for line in lines]


def _evidence_item_lines(item: Evidence, column: int, room: int, style: Style, *, verbose: bool) -> list[str]:
    """Return one piece of evidence: its text beside its location, or below it if one of them is too wide for that."""
    where, text = clean(item.where), clean(item.text.strip())
    if not verbose and len(text) > SHOWN_TEXT:
        left_out = style.say("console/left-out", "({number} characters left out: fixer diagnose --verbose)",
                             number=len(text) - SHOWN_TEXT)
        text = f"{text[:SHOWN_TEXT // 2]} {left_out} {text[-SHOWN_TEXT // 2:]}"
    beside = room - column - 2
    if count_columns(where) > column or beside < max(SHORTEST_COLUMN, longest_word(text)):
        return [*(style.paint(line, "dim") for line in wrap(where, room)),
                *(f"  {part}" for part in wrap(text, room - 2))]
    first, *more = wrap(text, beside)
    return [f"{style.paint(pad(where, column), 'dim')}  {first}", *(f"{' ' * column}  {part}" for part in more)]


def _ruled_out_lines(checks: tuple[CheckReport, ...], style: Style) -> list[str]:
    out = [check.cause for check in checks if check.verdict == "ruled-out"]
    lines = _waiting_lines(checks, style, limit=SHOWN_FACTS)
    if out:
        shown = ", ".join(out[:SHOWN_NAMES])
        text = style.say("console/ruled-out", "Ruled out: {names} (--verbose)", names=shown)
        if len(out) > SHOWN_NAMES:
            text = style.say("console/ruled-out-more", "Ruled out: {names}, {number} more (--verbose)", names=shown,
                             number=len(out) - SHOWN_NAMES)
        lines = [*hang(text, style.text_width, 2), *lines]
    return ["", *(plain_text(line, style) for line in lines)] if lines else []


def _waiting_lines(checks: tuple[CheckReport, ...], style: Style, indent: int = 2, limit: int = 999) -> list[str]:
    """Return each missing fact once, with the causes that wait for it."""
    undetermined = ((check.cause, check.missing) for check in checks if check.verdict == "undetermined")
    waiting = list(causes_by_missing_fact(undetermined).items())
    lines: list[str] = []
    for fact, causes in waiting[:limit]:
        text = style.say("console/undetermined", "Undetermined, not known: {fact}", fact=clean(fact))
        if not fact:
            text = style.say("console/undetermined-unnamed", "Undetermined, no missing fact is named")
        lines += hang(text, style.text_width, indent)
        told = ", ".join(causes)
        if limit == SHOWN_FACTS and len(causes) > SHOWN_WAITING:
            told = style.say("console/names-more", "{names}, {number} more (--verbose)",
                             names=", ".join(causes[:SHOWN_NAMES]), number=len(causes) - SHOWN_NAMES)
        names = wrap(clean(told), style.text_width - indent - 6)
        lines += [f"{' ' * (indent + 4)}{line}" for line in names]
    if len(waiting) > limit:
        number = len(waiting) - limit
        text = style.say("console/more-facts", "and {number} more missing {facts} (--verbose)", number=number,
                         facts="fact" if number == 1 else "facts")
        lines.append(f"{' ' * indent}{text}")
    return lines


def _check_lines(checks: tuple[CheckReport, ...], style: Style) -> list[str]:
    lines = ["", f"  {style.say('console/every-check', 'Every check')}"]
    signs = {"found": "✗", "ruled-out": "✔"}
    for check in checks:
        if check.verdict == "undetermined":
            continue
        sign = pad(style.sign(signs[check.verdict]), style.sign_width)
        lines.append(f"    {sign} {pad(clean(check.cause), 28)} {word_text(check.verdict, style)}")
        if check.verdict == "ruled-out":
            lines += evidence_lines(check.evidence, style, verbose=True, indent=8)
    return [*lines, *_waiting_lines(checks, style, 4)]


def _note_lines(notes: tuple[str, ...], style: Style) -> list[str]:
    lines = [line for note in notes for line in hang(note_text(note, style), style.text_width, 2)]
    return ["", *(style.paint(line, "dim") for line in lines)] if lines else []
