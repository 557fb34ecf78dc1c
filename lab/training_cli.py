"""The command line of training: classes, the course, its scores, recorded shells."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fixer.command_words import CONTEXT_SETTINGS, ProposingGroup, by_synonym
from fixer.lazy.lazy_imports import lazy_imports
from lab.command_table import EXAMPLES
from lab.errors import UsageError

with lazy_imports():
    import json
    import time

    from lab.classroom.class_down import class_down, sweep
    from lab.classroom.class_page import page_address
    from lab.classroom.class_record import class_names, find_class
    from lab.classroom.class_status import class_state, started_text, status_text
    from lab.classroom.class_up import ClassRequest, class_up
    from lab.classroom.roster import read_roster, seconds_of
    from lab.course.attempts import attempts_of
    from lab.course.play import (
        Course,
        begin,
        end_text,
        finish,
        name_cause,
        open_attempt,
        own_name,
        prompt_loop,
        waits_text,
    )
    from lab.course.score_list import scores_json, scores_text
    from lab.page.serve import serve_lab
    from lab.recording.replay import find_recording, list_text, recordings
    from lab.recording.replay import replay as show_again
    from lab.scenario import catalog
    from lab.scenario.scenario_file import Stack
    from lab.stack.docker_command import require_docker
    from lab.stack.find_lab import find_lab
    from lab.stack.lab_records import record_ids


class StackName(StrEnum):
    """The stacks on which a scenario can run."""

    CONTAINERS = "containers"
    HOST = "host"
    ALL_IN_ONE = "all-in-one"


class ClassGroup(ProposingGroup):
    """The commands of `lab class`, with a proposal for a word that is none of them."""

    synonyms = by_synonym({"up": "start run begin create launch", "status": "ps list ls show who",
                           "down": "stop rm remove delete end kill"})
    usage_error = UsageError
    catalogue_package = "lab.languages"


class_app = typer.Typer(
    name="class", cls=ClassGroup, context_settings=CONTEXT_SETTINGS, rich_markup_mode=None,
    epilog=EXAMPLES["class"],
    help="Run a class: one closed machine for each person, until a moment.",
)


def _complete_scenario(incomplete: str) -> list[str]:
    names = (*catalog.scenario_folders(), *catalog.aliases(), catalog.ANY)
    return [name for name in names if name.startswith(incomplete)]


def _complete_class(incomplete: str) -> list[str]:
    return [name for name in class_names() if name.startswith(incomplete)]


def _complete_recorded(incomplete: str) -> list[str]:
    return [path.name for path in recordings() if path.name.startswith(incomplete)]


def _complete_lab(incomplete: str) -> list[str]:
    return [lab_id for lab_id in record_ids() if lab_id.startswith(incomplete)]


ClassArgument = Annotated[str, typer.Argument(
    metavar="[CLASS]", autocompletion=_complete_class, help="The class's name. Default: the only class that is up.",
)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _roster_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"the roster {str(path)!r} does not exist", "write one name on each line of a file") from None
    except OSError as error:
        raise UsageError(f"the roster {path} cannot be read: {error.strerror}", "write one name on each line") from None
    except UnicodeDecodeError:
        raise UsageError(f"the roster {path} is not text", "write one name on each line, as UTF-8") from None


@class_app.callback(invoke_without_command=True)
def _class(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@class_app.command("up", epilog=EXAMPLES["class up"])
def start(
    scenario: Annotated[str, typer.Argument(
        metavar="SCENARIO", autocompletion=_complete_scenario,
        help="A scenario, SCENARIO/VARIANT, an alias, or `any`: then each person has another fault.",
    )], *,
    names: Annotated[Path, typer.Option("--names", metavar="FILE", help="The roster: one name on each line.")],
    ttl: Annotated[str, typer.Option("--ttl", metavar="TIME", help="How long it lives: 2h, 90m, 1h30m.")] = "2h",
    bind: Annotated[str, typer.Option("--bind", metavar="ADDR", help="The address of this machine that people "
                                      "reach. Default: only this machine.")] = "127.0.0.1",
    seed: Annotated[int | None, typer.Option(help="Seed of the first person; the others have the next ones.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="With --bind: the page for all without TLS.")] = False,
    noise: Annotated[int, typer.Option(min=0, max=5, help="The amount of unrelated activity.")] = 0,
    difficulty: Annotated[int | None, typer.Option(min=1, max=5, help="Of `any`: 1 is easy.")] = None,
    family: Annotated[str, typer.Option(help="Of `any`: the start of a family's name.")] = "",
) -> None:
    """Start a closed machine for each person of a roster, and print their entrances."""
    sweep(_print_progress)
    wish = catalog.Wish(difficulty, family)
    people = read_roster(_roster_text(names), names.name)
    record = class_up(ClassRequest(scenario, people, seconds_of(ttl), bind, seed, noise, plain, wish), _print_progress)
    typer.echo(started_text(record))


@class_app.command("status", epilog=EXAMPLES["class status"])
def status(which: ClassArgument = "", as_json: AsJson = False) -> None:
    """Show who is where: each person's page, and the hints that they took."""
    require_docker()
    sweep(_print_progress)
    state = class_state(find_class(which))
    typer.echo(json.dumps(state, indent=2) if as_json else status_text(state))


@class_app.command("down", epilog=EXAMPLES["class down"])
def down(
    which: ClassArgument = "",
    everything: Annotated[bool, typer.Option("--all", help="Remove all your classes.")] = False,
) -> None:
    """Remove a class and everything that it created."""
    if which and everything:
        raise UsageError("name a class, or --all, not both")
    require_docker()
    for name in list(class_names()) if everything else [which]:
        record = find_class(name)
        class_down(record, _print_progress)
        _print_progress(f"✔ {record.name} removed")


PersonOption = Annotated[str, typer.Option("--person", metavar="NAME", help="Whose course it is. Default: your user.")]


def play(
    *,
    person: PersonOption = "",
    difficulty: Annotated[int | None, typer.Option(min=1, max=5, help="Default: follows from what you solved.")] = None,
    family: Annotated[str, typer.Option(help="The start of a family's name.")] = "",
    stack: Annotated[StackName | None, typer.Option(help="Default: all.")] = None,
    seed: Annotated[int | None, typer.Option(help="Number from which the fault is drawn. Default: a new one.")] = None,
    cause: Annotated[str, typer.Option(metavar="ID", help="The cause that you name: end the lesson.")] = "",
    give_up: Annotated[bool, typer.Option("--give-up", help="End the lesson and read what it was.")] = False,
) -> int:
    """Play a course: a fault that is not named, a clock, hints that cost points, and a debrief."""
    name = person or own_name()
    require_docker()
    running = open_attempt(name)
    if cause or give_up:
        if running is None:
            raise UsageError(f"no lesson of {name} runs", "begin one: lab play")
        running = name_cause(running, cause) if cause else running
        ended, text = finish(running, give_up=give_up)
        typer.echo(text)
        return 0 if ended.fixed else 1
    if running is None:
        on: Stack | None = stack.value if stack else None
        running, text = begin(Course(name, difficulty, family, on, seed), _print_progress)
        typer.echo(text)
    else:
        typer.echo(waits_text(running))
    if sys.stdin.isatty():
        prompt_loop(running, input, typer.echo, _print_progress)
    else:
        typer.echo(end_text())
    return 0


def scores(person: PersonOption = "", as_json: AsJson = False) -> None:
    """List the lessons that people played, and their points."""
    attempts = attempts_of(person)
    typer.echo(scores_json(attempts) if as_json else scores_text(attempts))


def replay(
    which: Annotated[str, typer.Argument(metavar="[LAB]", autocompletion=_complete_recorded,
                                         help="A lab's id, or a file. Default: the newest recording.")] = "",
    speed: Annotated[float, typer.Option(min=0.1, max=100.0, help="How many times faster.")] = 1.0,
    listed: Annotated[bool, typer.Option("--list", help="List the recordings.")] = False,
    cast: Annotated[bool, typer.Option("--cast", help="Print the file itself, for asciinema.")] = False,
) -> None:
    """Show again what a recorded `lab shell` showed."""
    if listed:
        typer.echo(list_text())
        return
    path = find_recording(which)
    if cast:
        typer.echo(path.read_text(encoding="utf-8"), nl=False)
        return

    def write(text: str) -> None:
        typer.echo(text, nl=False)
        sys.stdout.flush()

    rest = time.sleep if sys.stdout.isatty() else lambda seconds: None
    show_again(path, write, rest, speed=speed)
    typer.echo("")


def serve(
    lab: Annotated[str, typer.Argument(metavar="[LAB]", autocompletion=_complete_lab,
                                       help="The lab's id, or its scenario. Default: the only lab that is up.")] = "",
    *,
    bind: Annotated[str, typer.Option("--bind", metavar="ADDR", help="An address of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="With --bind: without TLS.")] = False,
) -> None:
    """Serve the page of a lab: stack, requests, logs, hints, fixer's plan, repair and undo."""
    if lab in class_names():  # its keeper serves it already
        record = find_class(lab)
        typer.echo(page_address(record, record.owner_token) or f"{lab} has no page: it started without its packages")
        return
    serve_lab(find_lab(lab), bind, port, _print_progress, plain=plain)


def register(app: typer.Typer) -> None:
    """Add the commands of training to the program."""
    app.add_typer(class_app)
    for name, command in (("play", play), ("scores", scores), ("replay", replay), ("serve", serve)):
        app.command(name, epilog=EXAMPLES[name])(command)
