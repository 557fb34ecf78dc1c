"""The journal of a unit: its queries, and the log that its answers hold."""

from __future__ import annotations

from fixer.formats.service_log import parse_journal
from fixer.lazy.dataclass import replace
from fixer.model.facts import Fact, Known
from fixer.model.query import Command
from fixer.model.snapshot import LogLine, Unit
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.files.log_files import log_file_paths, with_unit_logs
from fixer.observe.systemd.forgotten_units import with_journal_state
from fixer.observe.view.node_view import View

JOURNAL_LINES = "200"


def unit_log(unit: Unit, told: ServiceCommand, view: View) -> Fact[tuple[LogLine, ...]]:
    """Return its journal, and the ends of files that it logs to."""
    kept = [view.node.answers.get(query) for query in journal_queries(unit, told)]
    journal = parse_journal(next((a for a in reversed(kept) if a is not None and a.status == "ok"), kept[0]), unit.name)
    if unit.is_from_journal and unit.active_state == "inactive" and isinstance(journal, Known):
        lines = (line for line in journal.value if line.at is None or line.at <= unit.inactive_enter)
        journal = replace(journal, value=tuple(lines))      # a stopped attempt does not explain the exit before it
    # queried together, never on a healthy host
    files = log_file_paths(told, view) if isinstance(journal, Known) else ()
    return with_unit_logs(journal, files, view) if files else journal


def journal_query(unit: str) -> Command:
    """Return the query for the last lines of a unit's journal."""
    return Command("journal", (unit, JOURNAL_LINES))


def journal_queries(unit: Unit, told: ServiceCommand) -> tuple[Command, ...]:
    """Return that query, and a second one for the unit's own journal namespace (LogNamespace=)."""
    plain = journal_query(unit.name)
    return (plain, Command("journal", (*plain.args, told.namespace))) if told.namespace else (plain,)


def with_journal(unit: Unit, view: View) -> Unit:
    """Return the unit with the state that its journal shows, if that was read."""
    return with_journal_state(unit, view.node.answers.get(journal_query(unit.name)), view)
