"""The report of a fleet as JUnit XML: a host is a test case, a cause its failure, a host that nobody saw an error."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from fixer.model.fleet import FleetGroup, FleetReport
from fixer.render.fleet_to_console import UNSEEN_TEXT, group_name, repair_texts
from fixer.render.terminal_text import clean


def render(report: FleetReport) -> str:
    """Return the document. Text of a host holds no control character: XML allows none, not even escaped."""
    failures = sum(len(group.hosts) for group in report.groups)
    errors = sum(len(group.hosts) for group in report.unseen)
    counts = f'tests="{report.hosts}" failures="{failures}" errors="{errors}"'
    return "\n".join([
        '<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="fixer" {counts}>',
        f'<testsuite name="fleet" {counts} skipped="0">', *_cases(report), "</testsuite>", "</testsuites>",
    ]) + "\n"


def _cases(report: FleetReport) -> Iterator[str]:
    for host in report.healthy:
        yield f'<testcase classname="healthy" name="{_quoted(host)}"/>'
    for group in report.groups:
        name = _quoted(group_name(group))
        for host in group.hosts:
            yield (f'<testcase classname="{name}" name="{_quoted(host)}"><failure type="{name}" '
                   f'message="{_quoted(_message(group))}">{_quoted(_details(group))}</failure></testcase>')
    for unseen in report.unseen:
        for host in unseen.hosts:
            yield (f'<testcase classname="{UNSEEN_TEXT}" name="{_quoted(host)}"><error type="{UNSEEN_TEXT}" '
                   f'message="{_quoted(unseen.reason)}"/></testcase>')


def _message(group: FleetGroup) -> str:
    return group.summary or group_name(group)


def _details(group: FleetGroup) -> str:
    """Return what the group can say of each of its hosts: the summary is that of the first one."""
    return "; ".join([f"the first host with this cause: {group.hosts[0]}", *repair_texts(group)])


def _quoted(text: str) -> str:
    return escape(clean(text))
