"""What becomes of each message of nginx's source: its kinds, its class, the causes that may explain it, and the scenarios
that wait for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from fixer.diagnose.line_meanings import MEANINGS
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import UNEXPLAINED
from fixer.model.facts import Known
from fixer.model.nginx_config import ErrorKind
from fixer.model.snapshot import ErrorEvent
from fixer.nginx.error_kinds import ends_request, side_of
from lab.scenario.catalog import all_scenarios
from tests.causes.snapshot_builders import healthy_scene
from tests.diagnose.answering_hosts import COUNTS, events_of, host_of, snapshot_with
from tests.nginx.message_lines import Line, Row, config_line, lines_of, rows

CAUSES: dict[ErrorKind, tuple[str, ...]] = {kind: meaning.causes for meaning in MEANINGS for kind in meaning.kinds}
CLASSES = {"backend": "cause", "nginx": "nginx's own failure", "client": "the client's"}
HARMLESS = "no failure"
BACKEND = ("backend", "shop", ":8000")      # how a finding may name it


@cache
def patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return what each scenario waits for in nginx's log."""
    found: dict[tuple[str, str], None] = {}
    for scenario in all_scenarios().values():
        for variant in scenario.variants:
            for symptom in variant.symptoms:
                text = symptom.get("log", "")
                if text and not text.startswith("while "):
                    found[scenario.name, re.sub(r"\{\{\w+\}\}", "shop", text)] = None
    return tuple((name, re.compile(text)) for name, text in found)


@cache
def problem_of(line: Line) -> str:
    """Return why the line is not answered, empty if it is: on a host that writes it now, a finding that quotes it names a
    cause of its kind and the side at fault; a line that ends no request leaves a healthy host healthy."""
    (event,) = events_of(line)
    if not ends_request(event):
        diagnosis = diagnose(snapshot_with(healthy_scene, (event,)))
        return "" if (diagnosis.verdict, diagnosis.findings) == ("healthy", ()) else f"{line.text}: it is no failure"
    events = events_of(line, COUNTS.get(event.kind, 1), "/report" if event.kind == "timeout-send" else "/")
    diagnosis = diagnose(snapshot_with(host_of(event), events))
    named = [finding for finding in diagnosis.findings if finding.cause != UNEXPLAINED and any(
        shown.source == "nginx-log" and line.said[:60] in shown.text for shown in finding.evidence)]
    if not named or named[0].role != "root":
        return f"{line.text}: no cause"
    first = named[0]
    if first.cause not in CAUSES[event.kind]:
        return f"{line.text}: {first.cause} is no cause of {event.kind}"
    words = ("nginx",) if side_of(event) == "nginx" else BACKEND
    is_told = any(word in f"{first.summary} {first.service}" for word in words)
    return "" if is_told else f"{line.text}: the side at fault is not named"


@cache
def answers_config(row: Row) -> bool:
    """Return whether an nginx that does not start with this message leads to a finding that quotes it."""
    scene = healthy_scene()
    text = f"nginx: [emerg] {config_line(row)}\nnginx: configuration file /etc/nginx/nginx.conf test failed\n"
    scene.nginx |= {"master_pid": None, "worker_pids": (), "test": Known((1, text))}
    first = diagnose(scene.snapshot()).findings[0]
    return first.cause in CAUSES["emerg-config"] and "nginx" in first.summary and any(
        row.said[:60] in shown.text for shown in first.evidence)


def run_class(row: Row) -> str:
    """Return the classes of a message at run time."""
    return class_of(event for line in lines_of(row) for event in events_of(line))


def scenarios_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the scenarios that wait for one of these lines, in the order of their names."""
    lines = tuple(texts)
    return tuple(sorted({name for name, pattern in patterns() if any(pattern.search(line) for line in lines)}))


def class_of(events: Iterable[ErrorEvent]) -> str:
    """Return the classes of the lines that end a request; `no failure` if none does."""
    sides = dict.fromkeys(side_of(event) for event in events if ends_request(event))
    return ", ".join(CLASSES[side] for side in sides) or HARMLESS


def table_rows(when: str) -> list[tuple[str, ...]]:
    """Return the rows of the page: nginx's words, kinds, class, causes, scenarios."""
    return [(_code(row.words), *(_run_cells(row) if when == "run" else _config_cells(row))) for row in rows(when)]


def _run_cells(row: Row) -> tuple[str, ...]:
    events = [event for line in lines_of(row) for event in events_of(line)]
    ending = [event for event in events if ends_request(event)]
    kinds = dict.fromkeys(event.kind for event in ending or events)
    causes = dict.fromkeys(cause for event in ending for cause in CAUSES[event.kind])
    return (_listed(kinds), class_of(events), _listed(causes), _listed(scenarios_of(event.raw for event in ending)))


def _config_cells(row: Row) -> tuple[str, ...]:
    return (_code("emerg-config"), CLASSES["nginx"], _listed(CAUSES["emerg-config"]),
            _listed(scenarios_of((f"[emerg] {config_line(row)}",))))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(_code, names)) or "none"


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"
