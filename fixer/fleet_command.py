"""`fixer fleet`: the command line of the reports of many hosts."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from fixer import error_boundary
from fixer.command_words import CONTEXT_SETTINGS, EXAMPLES, FleetGroup
from fixer.errors import UsageError
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    from fixer.app.fleet_report import fleet_report as run_fleet_report
    from fixer.render import fleet_to_console, fleet_to_junit, fleet_to_markup, to_json
    from fixer.terminal import style_of

fleet = typer.Typer(cls=FleetGroup, context_settings=CONTEXT_SETTINGS, rich_markup_mode=None)


class FleetFormat(StrEnum):
    """Output format of the report of a fleet."""

    CONSOLE = "console"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"


@fleet.callback(invoke_without_command=True)
def _fleet(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        error_boundary.emit(context.get_help() + "\n")


@fleet.command("report", epilog=EXAMPLES["fleet report"])
def fleet_report(
    files: Annotated[list[str], typer.Argument(
        metavar="FILE...", help="JSON lines, one report of a host on each; or what --json printed. - for stdin.")], *,
    form: Annotated[FleetFormat | None, typer.Option("--format", show_default=False, help="The output format.")] = None,
    as_json: Annotated[bool, typer.Option("--json", "--agent", help=(
        "Print one JSON object on stdout, everything else on stderr. With --agent, also exit with 0 once it is "
        "printed."))] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every host of every cause.")] = False,
) -> None:
    """Group the reports of many hosts by cause."""
    if as_json and form not in (None, FleetFormat.JSON):
        raise UsageError("--json and --format contradict each other", "use one of them")
    report = run_fleet_report(files)
    match FleetFormat.JSON if as_json else form:
        case FleetFormat.JSON:
            text = to_json.render(report)
        case FleetFormat.MARKDOWN:
            text = fleet_to_markup.render_markdown(report)
        case FleetFormat.HTML:
            text = fleet_to_markup.render_html(report)
        case FleetFormat.JUNIT:
            text = fleet_to_junit.render(report)
        case _:
            text = fleet_to_console.render(report, style_of(sys.stdout), verbose=verbose)
    error_boundary.emit(text)
    raise typer.Exit(report.exit_code)
