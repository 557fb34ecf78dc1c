"""The lab's command line: parse options, make one call, print its result, return an exit code."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from fixer import __version__  # both programs are one distribution
from fixer.command_words import CONTEXT_SETTINGS, Language
from fixer.languages.choose_language import take_language
from fixer.lazy.lazy_imports import lazy_imports
from lab.command_table import EXAMPLES, LabGroup
from lab.errors import LabError, UnexpectedState, UsageError
from lab.training_cli import StackName, register

with lazy_imports():  # each command imports what it uses; help imports nothing
    import json

    from lab.bench.run_bench import BenchRequest, run_bench
    from lab.matrix.run_matrix import MatrixRequest, ask_before_all, github_matrix_text, run_matrix
    from lab.paths import state_root, use_extra_scenarios
    from lab.random_hosts.run_random import random_request, run_random
    from lab.scenario import catalog
    from lab.scenario.scenario_file import Stack
    from lab.stack.docker_command import require_docker
    from lab.stack.find_lab import find_lab
    from lab.stack.lab_records import record_ids  # asks no Docker: completion answers at once
    from lab.verbs.check import check_lab
    from lab.verbs.down import take_down
    from lab.verbs.hint import next_hint
    from lab.verbs.logs import show_logs
    from lab.verbs.new import new_scenario
    from lab.verbs.reset import reset as reset_lab
    from lab.verbs.shell import open_shell
    from lab.verbs.show import list_json, list_text, show_text
    from lab.verbs.solve import solve as solve_lab
    from lab.verbs.status import collect_statuses, status_text
    from lab.verbs.up import lab_up, started_text
    from lab.verbs.validate import find_problems

INTERRUPTED = 130
DEBUG_VARIABLE = "BADGATEWAY_DEBUG"     # fixer's too

app = typer.Typer(
    name="lab", cls=LabGroup, context_settings=CONTEXT_SETTINGS, rich_markup_mode=None,
    pretty_exceptions_enable=False, epilog=EXAMPLES[""],
    help="Reproduce the ways nginx answers 502: on containers, on a machine, and with all of it in one container.",
)

# the parser's own errors: typer versions differ in where they define them
_ParserError: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def _complete_scenario(incomplete: str) -> list[str]:
    names = (*catalog.scenario_folders(), *catalog.aliases(), catalog.ANY)
    return [name for name in names if name.startswith(incomplete)]


def _complete_lab(incomplete: str) -> list[str]:
    return [lab_id for lab_id in record_ids() if lab_id.startswith(incomplete)]


LabArgument = Annotated[str, typer.Argument(
    metavar="[LAB]", autocompletion=_complete_lab,
    help="The lab's id, or the scenario that it was started with. Default: the only lab that is up.",
)]
LabsArgument = Annotated[list[str] | None, typer.Argument(
    metavar="[LAB]...", autocompletion=_complete_lab,
    help="Ids of labs, or the scenarios that they were started with. Default: the only lab that is up.",
)]
PartArgument = Annotated[str, typer.Argument(
    metavar="[PART]", help="web, backend, or the name of any other part: `lab up` lists them.",
)]
ScenarioArgument = Annotated[str, typer.Argument(
    metavar="SCENARIO", autocompletion=_complete_scenario, help="A scenario, SCENARIO/VARIANT, an alias, or `any`.",
)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # a terminal that closes leaves no half-made lab
        if signal.getsignal(number) is signal.SIG_DFL:  # unless it was started to go on: nohup
            signal.signal(number, _raise_interrupt)
    try:
        code = app(take_language(sys.argv[1:], UsageError) or ["--help"], prog_name="lab", standalone_mode=False)
    except LabError as error:
        sys.exit(_print_error(error.message, error.hint, error.exit_code))
    except (KeyboardInterrupt, typer.Abort):
        exit_interrupted()
    except _ParserError as error:
        sys.exit(_print_usage_error(error))
    except OSError as error:
        if error.filename is None or os.environ.get(DEBUG_VARIABLE):
            raise
        sys.exit(_print_file_error(error))
    if code == INTERRUPTED:  # the parser turns an interrupt into this code
        exit_interrupted()
    sys.exit(code if isinstance(code, int) else 0)


def exit_interrupted() -> NoReturn:
    """Exit after Ctrl-C. Another one would cut the line off with a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(_print_error("interrupted; unfinished work is removed", "", INTERRUPTED))


def _print_error(message: str, hint: str, code: int) -> int:
    print(f"lab: {message}" + (f"\n  {hint}" if hint else ""), file=sys.stderr)  # noqa: T201
    return code


def _print_usage_error(error: Exception) -> int:
    """Print the parser's error as one line like any other."""
    said = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    # an option without its argument comes without a context
    words = ("lab", *(word for word in sys.argv[1:2] if not word.startswith("-")))
    path = getattr(getattr(error, "ctx", None), "command_path", "") or " ".join(words)
    return _print_error(said.rstrip("."), f"see: {path} --help", error.exit_code)  # type: ignore[attr-defined]


def _print_file_error(error: OSError) -> int:
    """Print the error of a file or folder that cannot be read or written as one line like any other."""
    state = state_root()
    is_state = state in (Path(error.filename), *Path(error.filename).parents)
    return _print_error(f"{error.filename}: {error.strerror}", (
        f"the lab keeps its state in {state}; BADGATEWAY_LAB_STATE names another folder" if is_state else
        f"{DEBUG_VARIABLE}=1 shows what asked for it"), 1)


def _raise_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Treat the signal like Ctrl-C: what was started is removed."""
    raise KeyboardInterrupt


def _print_progress(line: str) -> None:
    """Print progress on stderr, separate from the command's product."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lab {__version__} (badgateway)")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                          help="Print the version.")] = False,
    scenarios: Annotated[Path | None, typer.Option(
        metavar="DIR", exists=True, file_okay=False, help="Another folder with scenarios.",
    )] = None,
    lang: Language = "",
) -> None:
    """Reproduce the ways nginx answers 502: on containers, on a machine, and with all of it in one container."""
    del lang  # `take_language` has read it
    if scenarios is not None:
        use_extra_scenarios(scenarios)


@app.command("list", epilog=EXAMPLES["list"])
def list_scenarios(as_json: AsJson = False) -> None:
    """List the scenarios: difficulty, stacks, family."""
    typer.echo(list_json() if as_json else list_text())


@app.command(epilog=EXAMPLES["show"])
def show(scenario: ScenarioArgument) -> None:
    """Show a scenario's story and the stacks on which it runs."""
    found = catalog.find_scenario(scenario)
    typer.echo(show_text(found, catalog.variant_of(found, scenario)))


@app.command(epilog=EXAMPLES["up"])
def up(
    scenario: ScenarioArgument, *,
    stack: Annotated[StackName | None, typer.Option(help="Default: the scenario's first.")] = None,
    seed: Annotated[int | None, typer.Option(
        help="Number from which variant, names, ports and structure are drawn. Default: an easy one.",
    )] = None,
    noise: Annotated[int, typer.Option(min=0, max=5, help="The amount of unrelated activity.")] = 0,
    difficulty: Annotated[int | None, typer.Option(min=1, max=5, help="Of `lab up any`: 1 is easy.")] = None,
    family: Annotated[str, typer.Option(help="Of `lab up any`: the start of a family's name.")] = "",
) -> None:
    """Start a stack, break it, and wait until it is really broken. `any` is a fault that is not named."""
    on: Stack | None = stack.value if stack else None
    wish = catalog.Wish(difficulty, family)
    number = catalog.seed_for(scenario, on, wish, lambda: secrets.randbelow(100000)) if seed is None else seed
    risen = lab_up(scenario, on, number, _print_progress, chosen_seed=seed is not None, noise=noise, wish=wish)
    typer.echo(started_text(risen))


@app.command(epilog=EXAMPLES["status"])
def status(
    as_json: AsJson = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also show scenario and seed.")] = False,
) -> None:
    """List the labs that are up, and what their pages answer now. Give nothing away."""
    require_docker()
    entries = collect_statuses()
    typer.echo(json.dumps({"labs": entries}, indent=2) if as_json else status_text(entries, verbose=verbose))


@app.command(epilog=EXAMPLES["logs"])
def logs(
    lab: LabArgument = "", part: PartArgument = "",
    follow: Annotated[bool | None, typer.Option(help="Follow the logs until Ctrl-C. Default: on a terminal.")] = None,
) -> None:
    """Show the logs of a lab."""
    show_logs(lab, part, follow=follow)


@app.command(epilog=EXAMPLES["shell"])
def shell(
    lab: LabArgument = "", part: PartArgument = "",
    tools: Annotated[bool, typer.Option(
        "--tools", help="Start a container with ps, lsof, ss, netstat, curl, less and nano beside a slim part.",
    )] = False,
    record: Annotated[bool, typer.Option("--record/--no-record", help="In a terminal: keep what it shows.")] = True,
) -> None:
    """Open a shell in a lab."""
    open_shell(lab, part, _print_progress, tools=tools, record=record)


@app.command(epilog=EXAMPLES["hint"])
def hint(lab: LabArgument = "") -> None:
    """Show the next hint, from vague to exact."""
    typer.echo(next_hint(find_lab(lab)))


@app.command(epilog=EXAMPLES["reset"])
def reset(lab: LabArgument = "") -> None:
    """Break a lab again from scratch."""
    typer.echo(started_text(reset_lab(find_lab(lab), _print_progress)))


@app.command(epilog=EXAMPLES["down"])
def down(
    labs: LabsArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove all your labs, and labs without a record.")] = False,
) -> None:
    """Remove everything that labs created."""
    take_down(labs or (), _print_progress, everything=everything)


@app.command(epilog=EXAMPLES["new"])
def new(scenario: Annotated[str, typer.Argument(metavar="NAME", help="Cause that the scenario reproduces.")]) -> None:
    """Write a first scenario file for a new cause."""
    typer.echo(str(new_scenario(scenario)))


@app.command(epilog=EXAMPLES["validate"])
def validate() -> None:
    """Check every scenario file."""
    found = list(find_problems())
    for _, problem in found:
        typer.echo(problem)
    if found:
        raise UnexpectedState(f"{len(found)} problem{'s' if len(found) > 1 else ''} in the scenarios")
    count = len(catalog.scenario_folders())
    typer.echo(f"{count} scenario{'s' if count > 1 else ''}, no problems")


@app.command(epilog=EXAMPLES["check"])
def check(
    lab: LabArgument = "", as_json: AsJson = False,
    after_restart: Annotated[bool, typer.Option("--after-restart", help="Restart the lab, then check again.")] = False,
) -> int:
    """Check a lab: exit code 0 if it is well, 1 if it is broken, with what still fails. Change nothing else."""
    text, code = check_lab(find_lab(lab), after_restart=after_restart, as_json=as_json)
    typer.echo(text)
    return code


@app.command(epilog=EXAMPLES["solve"])
def solve(
    lab: LabArgument = "",
    inside: Annotated[bool, typer.Option("--inside", help="Copy fixer.pyz into the machine and run it there.")] = False,
) -> int:
    """Run fixer's repair on a lab step by step, then check the lab."""
    return 0 if solve_lab(find_lab(lab), _print_progress, within=inside) else 1


def _confirm(question: str) -> bool:
    """Ask on stderr: stdout is for what a command tells."""
    typer.echo(f"{question} [y/N]: ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@app.command(epilog=EXAMPLES["matrix"])
def matrix(
    *,
    only: Annotated[list[str] | None, typer.Option(help="Glob over SCENARIO or SCENARIO/VARIANT; repeatable.")] = None,
    stack: Annotated[StackName | None, typer.Option(help="Default: all.")] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", "--seed", help="Seeds, such as 1-3,7; default 1.")] = None,
    noise: Annotated[int | None, typer.Option(min=0, max=5, help="Noise of all; default: drawn for each.")] = None,
    inside: Annotated[bool, typer.Option("--inside", help="Run fixer.pyz inside the machine.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All once, some with three seeds, some inside.")] = False,
    shard: Annotated[str, typer.Option(metavar="I/N", help="Run only part I of N.")] = "",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Stacks at once; load runs alone.")] = 1,
    resume: Annotated[Path | None, typer.Option(metavar="FILE", help="Continue this file, and write to it.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report to it.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML to it.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table to it.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Only print a matrix for GitHub Actions.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before running everything.")] = False,
) -> None:
    """Try every variant: break, diagnose, repair, check, restart, check again, undo."""
    wish = MatrixRequest(only or (), stack.value if stack else None, seeds, inside, everything, shard, jobs, json_file,
                         junit, markdown, resume, noise, yes=yes)
    if github:
        typer.echo(github_matrix_text(wish))
    else:
        ask_before_all(wish, sys.stdin.isatty() and sys.stderr.isatty(), _confirm)
        run_matrix(wish)


@app.command(epilog=EXAMPLES["bench"])
def bench(
    *,
    solver: Annotated[list[str] | None, typer.Option(
        metavar="[NAME=]CMD", help="A command: {target} {project} {container} {url} are filled in. "
        "Or fixer; or a yardstick, which should lose: restart-everything, nothing.",
    )] = None,
    only: Annotated[list[str] | None, typer.Option(help="Glob over SCENARIO or SCENARIO/VARIANT; repeatable.")] = None,
    stack: Annotated[StackName | None, typer.Option(help="Default: all.")] = None,
    seeds: Annotated[str, typer.Option("--seeds", "--seed", help="Seeds, such as 1-3,7.")] = "1",
    inside: Annotated[bool, typer.Option("--inside", help="Run the solver's file inside the machine.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Labs at once; load runs alone.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the scores to it.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML to it.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table to it.")] = None,
    random: Annotated[int | None, typer.Option(min=1, max=9999, metavar="N", help="Judge on N random hosts, "
                                               "the first of which --seed draws, instead of on scenarios.")] = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="With --random: only print what is drawn.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="With --random 1: leave the host up.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="With --random: add the run to the ledger.")] = False,
    spec: Annotated[Path | None, typer.Option(metavar="FILE", help="With --random 1: the host of a host.json.")] = None,
    shrink: Annotated[bool, typer.Option("--shrink", help="With --random 1: reduce a failing host.")] = False,
    parts: Annotated[list[str] | None, typer.Option(metavar="AXIS=NAME", help="With --random: only hosts with that "
                                                    "part (kind=all-in-one, fault=port-dropped); repeatable.")] = None,
) -> None:
    """Let any fixer at the scenarios: cause right, repaired, survived a restart, harm done, seconds."""
    if random is not None:
        typer.echo(run_random(random_request(
            random, seeds, solver or (), jobs, json_file, publish=publish, keep=keep, coverage=coverage,
            spec=spec, shrink=shrink, parts=parts or (),
            others={"--only": only, "--stack": stack, "--inside": inside, "--junit": junit, "--markdown": markdown})))
        return
    if alone := [name for name, given in (("--coverage", coverage), ("--keep", keep), ("--publish", publish),
                                          ("--spec", spec), ("--shrink", shrink), ("--parts", parts)) if given]:
        raise UsageError(f"{alone[0]} needs --random N")
    typer.echo(run_bench(BenchRequest(solver or (), only or (), stack.value if stack else None, seeds, inside, jobs,
                                      json_file, junit, markdown)))


register(app)  # last, so that the help names the commands for one lab first


if __name__ == "__main__":
    main()
