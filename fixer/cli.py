"""The command line: parse options, call one use case, render its result, return an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from copy import copy
from enum import StrEnum
from typing import Annotated, Literal

import typer

from fixer import __version__, error_boundary
from fixer.command_words import CONTEXT_SETTINGS, EXAMPLES, CommandError, FixerGroup, Language
from fixer.diagnose_command import health_code, make_request, prefetch, print_result, run_diagnose
from fixer.errors import UsageError
from fixer.fleet_command import fleet
from fixer.lazy.lazy_imports import lazy_imports
from fixer.repair_command import run_repair

with lazy_imports():  # each command imports what it uses; help imports nothing
    from fixer.agent.start_server import start_server
    from fixer.app import ignore as ignored
    from fixer.app.cause_catalogue import catalogue_report, cause_names, page_report
    from fixer.app.collect import collect as run_collect
    from fixer.app.inspect_target import verify as run_verify
    from fixer.app.learn import learn as run_learn
    from fixer.app.request import RepairRequest, parse_inputs, read_input_lines
    from fixer.app.undo import history as list_runs
    from fixer.app.undo import undo as run_undo
    from fixer.observe.script_bundle import script_text
    from fixer.render.outcome_text import (
        catalogue_text,
        collected_text,
        explained_text,
        history_text,
        ignored_text,
        learned_text,
        undo_text,
        verify_text,
    )
    from fixer.terminal import style_of

app = typer.Typer(
    name="fixer", cls=FixerGroup, context_settings=CONTEXT_SETTINGS, rich_markup_mode=None,
    pretty_exceptions_enable=False, epilog=EXAMPLES[""],
    help="Find why nginx answers 502, repair it with proof, undo it to the byte.",
)
app.add_typer(fleet, name="fleet", epilog=EXAMPLES["fleet"], help="Reports of many hosts.")


class Format(StrEnum):
    """Output format of a report."""

    CONSOLE = "console"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


class MaxRisk(StrEnum):
    """The highest risk of repairs that may be applied."""

    SAFE = "safe"
    DISRUPTIVE = "disruptive"


def _complete_target(incomplete: str) -> list[str]:
    """Return the kinds of target; what follows the kind belongs to the shell."""
    return [kind for kind in ("local", "docker://", "compose://", "ssh://", "bundle:") if kind.startswith(incomplete)]


def _complete_cause(incomplete: str) -> list[str]:
    return [name for name in cause_names() if name.startswith(incomplete)]


Target = Annotated[str, typer.Argument(
    metavar="[TARGET]", show_default=False, autocompletion=_complete_target,
    help="local (default), docker://CONTAINER, compose://PROJECT, ssh://[USER@]HOST[:PORT], bundle:FILE.",
)]
AsJson = Annotated[bool, typer.Option("--json", "--agent", help=(
    "Print one JSON object on stdout, everything else on stderr. With --agent, also exit with 0 once it is printed."))]
Url = Annotated[str, typer.Option("--url", metavar="URL", show_default=False, help="Check this address first.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every check and its evidence.")]
Wait = Annotated[float, typer.Option("--wait", min=0, max=600, metavar="SECONDS", show_default=False,
                                     help="Wait this long for slow answers (default: 2 s).")]
Requests = Annotated[int, typer.Option("--requests", min=0, max=200, metavar="N", show_default=False,
                                       help="Ask each route N times, in a row for at most 5 s.")]
NoProbe = Annotated[bool, typer.Option("--no-probe", help="Send no request and open no connection.")]


def run_command_line(words: list[str]) -> object:
    """Run the command that the arguments name; return its exit code."""
    try:
        return _app_with_command(words)(args=words, prog_name="fixer", standalone_mode=False)
    except CommandError as carrier:
        raise carrier.error from None


def _app_with_command(words: Sequence[str]) -> typer.Typer:
    """Return the app with only the called command; complete if none is called, for help and suggestions."""
    called = [c for c in app.registered_commands if c.callback is not None and c.callback.__name__ in words[:1]]
    if not called:
        return app
    alone = copy(app)  # typer reads the signature of every command: a millisecond for two
    alone.registered_commands, alone.registered_groups = called, []
    return alone


def _version(wanted: bool) -> None:
    if wanted:
        error_boundary.emit(f"fixer {__version__} (badgateway)\n")
        raise typer.Exit(0)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                          help="Print the version.")] = False,
    lang: Language = "",
) -> None:
    del lang  # `take_language` has read it
    if context.invoked_subcommand is None:
        error_boundary.emit(context.get_help() + "\n")


@app.command(epilog=EXAMPLES["diagnose"])
def diagnose(
    target: Target = "local", *, as_json: AsJson = False,
    form: Annotated[Format | None, typer.Option("--format", show_default=False, help="The output format.")] = None,
    url: Url = "", verbose: Verbose = False, wait: Wait = 0.0, no_probe: NoProbe = False, requests: Requests = 0,
) -> None:
    """Find the cause and show the proof."""
    if as_json and form not in (None, Format.JSON):
        raise UsageError("--json and --format contradict each other", "use one of them")
    shown = Format.JSON if as_json else form or Format.CONSOLE
    raise typer.Exit(run_diagnose(target, shown.value, url=url, verbose=verbose, wait=wait, no_probe=no_probe,
                                  requests=requests))


@app.command(epilog=EXAMPLES["repair"])
def repair(
    target: Target = "local", *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply without asking.")] = False,
    max_risk: Annotated[MaxRisk | None, typer.Option(
        "--max-risk", show_default=False, help="With --yes: apply repairs up to this risk (default: safe).")] = None,
    only: Annotated[str, typer.Option("--only", metavar="REPAIR-ID", show_default=False,
                                      help="Apply this repair instead of the first one.")] = "",
    plan: Annotated[str, typer.Option("--plan", metavar="ID", show_default=False, help=(
        "Apply only this plan of a dry run, and only if the host is still as it was then."))] = "",
    values: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", show_default=False,
                                                     help="An input that a repair needs; repeatable.")] = None,
    values_file: Annotated[str, typer.Option("--set-from", metavar="FILE", show_default=False, help=(
        "A file of KEY=VALUE lines, for secrets: - is stdin."))] = "",
    as_json: AsJson = False, url: Url = "", wait: Wait = 0.0, no_probe: NoProbe = False,
) -> None:
    """Show the plan, ask, apply it, verify it."""
    options = RepairRequest(
        make_request(url, wait, no_probe), dry_run=dry_run, yes=yes, only=only or None,
        inputs=parse_inputs([*(values or []), *(read_input_lines(values_file) if values_file else [])]),
        max_risk=None if max_risk is None else ("safe" if max_risk is MaxRisk.SAFE else "disruptive"),
        plan=plan or None,
    )
    raise typer.Exit(run_repair(target, options, as_json=as_json))


@app.command(epilog=EXAMPLES["verify"])
def verify(
    target: Target = "local", *, as_json: AsJson = False, url: Url = "", wait: Wait = 0.0, no_probe: NoProbe = False,
    requests: Requests = 0,
) -> None:
    """Check whether the target is healthy; look for no cause."""
    prefetch(target)
    result = run_verify(target, make_request(url, wait, no_probe, requests))
    print_result(result, verify_text, as_json)
    raise typer.Exit(health_code(result.report.verdict))


@app.command(epilog=EXAMPLES["undo"])
def undo(
    target: Target = "local", *,
    run_id: Annotated[str, typer.Option("--id", metavar="ID", show_default=False,
                                        help="Undo this run (default: the last one that changed something).")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accepted for scripts: undo never asks.")] = False,
    as_json: AsJson = False,
) -> None:
    """Undo what a repair changed."""
    del yes  # as in `repair --yes`; undo asks nothing
    result = run_undo(target, run_id or None)
    print_result(result, undo_text, as_json)
    raise typer.Exit(1 if result.conflicts else 0)


@app.command(epilog=EXAMPLES["history"])
def history(
    target: Target = "local", *,
    forget: Annotated[str, typer.Option("--forget", metavar="ID", show_default=False,
                                        help="Delete this run and its before-images.")] = "",
    as_json: AsJson = False,
) -> None:
    """List earlier repairs."""
    listed = list_runs(target, forget or None)
    print_result(listed, history_text, as_json)


@app.command(epilog=EXAMPLES["collect"])
def collect(
    target: Target = "local", *,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", show_default=False,
                                        help="The bundle to write (tar.gz).")] = "",
    script: Annotated[bool, typer.Option(
        "--script", help="Print a POSIX sh script that writes a bundle on a host without fixer.")] = False,
    as_json: AsJson = False, url: Url = "", wait: Wait = 0.0, no_probe: NoProbe = False,
) -> None:
    """Save redacted evidence as a bundle."""
    if script:
        if output or target != "local" or as_json:
            raise UsageError("--script takes neither a target nor --output nor --json",
                             "fixer collect --script >collect.sh; there: sh collect.sh incident.bundle")
        error_boundary.emit(script_text())
        return
    if not output:
        raise UsageError("collect needs an output file: --output FILE", "or use --script for a host without fixer")
    print_result(run_collect(target, make_request(url, wait, no_probe), output), collected_text, as_json)


@app.command(epilog=EXAMPLES["learn"])
def learn(target: Target = "local", *, as_json: AsJson = False, wait: Wait = 0.0) -> None:
    """Remember a healthy deployment as last known good."""
    result = run_learn(target, make_request("", wait, no_probe=False))
    print_result(result, learned_text, as_json)


@app.command(epilog=EXAMPLES["explain"])
def explain(words: Annotated[list[str], typer.Argument(
    metavar="CAUSE", autocompletion=_complete_cause,
    help="A cause or a variant; 502; or a line of nginx's error.log, in quotes.",
)], *, as_json: AsJson = False) -> None:
    """Show the page of one cause, or the causes of an error line."""
    style = None if as_json else style_of(sys.stdout)
    print_result(page_report(" ".join(words), style), explained_text, as_json)


@app.command(epilog=EXAMPLES["causes"])
def causes(as_json: AsJson = False) -> None:
    """List every cause that fixer can find."""
    listed = catalogue_report()
    print_result(listed, catalogue_text, as_json)


@app.command(epilog=EXAMPLES["ignore"])
def ignore(
    cause: Annotated[str, typer.Argument(metavar="[CAUSE]", show_default=False,
                                         help="If omitted: list the ignored findings.")] = "",
    target: Target = "local", *,
    where: Annotated[str, typer.Option("--where", metavar="PLACE", show_default=False, help=(
        "Ignore it only at this service, node, location, server name or file[:line]."))] = "",
    because: Annotated[str, typer.Option("--because", metavar="TEXT", show_default=False, help="The reason.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DATE", show_default=False,
                                       help="The last day of the entry, YYYY-MM-DD.")] = "",
    forget: Annotated[str, typer.Option("--forget", metavar="ID", show_default=False, help="Remove this entry.")] = "",
    as_json: AsJson = False,
) -> None:
    """Ignore a finding until a day: shown, not counted, not repaired."""
    if "://" in cause or cause == "local" or cause.startswith("bundle:"):  # `fixer ignore TARGET` lists
        cause, target = "", cause
    if cause and forget:
        raise UsageError("--forget takes no CAUSE", "fixer ignore --forget ID")
    if not cause and (where or because or until):
        raise UsageError("no CAUSE is named", "fixer ignore CAUSE --because TEXT --until DATE")
    if forget:
        report = ignored.withdraw(target, forget)
    else:
        report = ignored.ignore(target, cause, where, because, until) if cause else ignored.list_ignored(target)
    print_result(report, ignored_text, as_json)


@app.command(epilog=EXAMPLES["mcp"])
def mcp(
    *, targets: Annotated[list[str] | None, typer.Option(
        "--target", metavar="[NAME=]TARGET", show_default=False, autocompletion=_complete_target,
        help="A target for the tools, by its name; repeatable. Without it: local.")] = None,
    allow_repair: Annotated[bool, typer.Option("--allow-repair", help=(
        "Offer the tools repair and undo. They ask the person before each change."))] = False,
    allow_unattended: Annotated[bool, typer.Option("--allow-unattended", help=(
        "Repair without a yes if the client cannot ask anybody."))] = False,
    max_risk: Annotated[MaxRisk, typer.Option("--max-risk", help="Plan repairs up to this risk.")] = MaxRisk.SAFE,
    audit: Annotated[str, typer.Option("--audit", metavar="FILE", show_default=False, help=(
        "The audit log (default: beside the journals)."))] = "",
    bundles: Annotated[str, typer.Option("--bundles", metavar="DIR", show_default=False, help=(
        "The folder for collected evidence (default: beside the journals)."))] = "",
) -> None:
    """Serve these tools to an agent (Model Context Protocol)."""
    risk: Literal["safe", "disruptive"] = "safe" if max_risk is MaxRisk.SAFE else "disruptive"
    raise typer.Exit(start_server(targets or (), audit, bundles, allow_repair=allow_repair,
                                  allow_unattended=allow_unattended, max_risk=risk))
