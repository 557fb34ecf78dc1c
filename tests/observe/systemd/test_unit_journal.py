"""Tests of fixer/observe/systemd/unit_journal.py."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, Command
from fixer.observe.commands.resolved_command import command_of_unit
from fixer.observe.systemd.unit_journal import journal_queries, journal_query, unit_log
from fixer.observe.view.node_view import views_of
from tests.observe.capture_builders import capture, file, node
from tests.observe.nginx.endpoints_builders import SHOW

PLAIN = journal_query("back.service")
OWN = Command("journal", (*PLAIN.args, "shop"))
LINE = b"2026-11-28T11:47:58+0000 host back[7]: %s\n"


@pytest.mark.parametrize(("lines", "answers", "text"), [
    ("", {PLAIN: Answer("ok", LINE % b"plain")}, "plain"),
    ("LogNamespace=shop\n", {PLAIN: Answer("ok", LINE % b"plain"), OWN: Answer("ok", LINE % b"own")}, "own"),
    ("LogNamespace=shop\n", {PLAIN: Answer("ok", LINE % b"plain"), OWN: Answer("failed")}, "plain"),
])
def test_the_journal_of_its_own_namespace_comes_first(lines: str, answers: dict[Command, Answer], text: str) -> None:
    unit_file = file("/etc/systemd/system/back.service", f"[Service]\n{lines}ExecStart=/srv/run\n")
    seen = node(answers, show=SHOW.format("back.service", "active", 0), units=[unit_file])
    (view,) = views_of(capture(seen)).values()
    unit = view.units["back.service"]
    told = command_of_unit(unit, view)
    assert journal_queries(unit, told) == ((PLAIN, OWN) if lines else (PLAIN,))
    log = unit_log(unit, told, view)
    assert isinstance(log, Known) and [text in line.text for line in log.value] == [True]
