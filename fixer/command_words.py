"""The parser's extras: `-h`, examples below each help, and proposals for commands that other tools have."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperGroup

from fixer.errors import UsageError
from fixer.languages.choose_language import LANGUAGES, OPTION, language_of
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    from difflib import get_close_matches  # 5 ms, for a wrong name only

    from fixer.app.cause_catalogue import is_page  # loads every cause: for a wrong command only
    from fixer.translated_help import translated_help  # for a help in another language only

Language = Annotated[str, typer.Option(
    OPTION, metavar="LANGUAGE", show_default=False, autocompletion=lambda: list(LANGUAGES),
    help="en or zh-TW, for the console; anywhere on the line. Default: what LANG says, on a terminal.",
)]
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}


def by_synonym(meant: Mapping[str, str]) -> dict[str, str]:
    """Return the command for each word that people type by habit, from the words of each command."""
    return {word: command for command, words in meant.items() for word in words.split()}


def examples(*lines: str) -> str:
    """Return an epilog that keeps its lines, in the help and in the manual page."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class CommandError(Exception):
    """An error of a command that the parser would end by itself: a broken pipe silently, with the code of a broken
    page, and an end of input as an interrupt."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class ProposingGroup(TyperGroup):
    """The commands of a program, with a proposal for a word that is none of them."""

    synonyms: ClassVar[Mapping[str, str]] = {}
    usage_error: ClassVar[type[Exception]] = UsageError
    catalogue_package: ClassVar[str] = "fixer.languages"

    def get_help(self, ctx: Any) -> str:
        """Return the help, in the language that the reader asks for."""
        return super().get_help(ctx) if not language_of(sys.stdout) else translated_help(
            self.catalogue_package, ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command whose help is in the language that the reader asks for."""
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None and language_of(sys.stdout):
            command.get_help = partial(translated_help, self.catalogue_package)
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; raise `usage_error` with the command line that was probably intended."""
        word = args[0]
        if self.get_command(ctx, word) is None and not ctx.resilient_parsing:
            intended = self.intended_line(word, args[1:])
            if intended:
                raise self.usage_error(f"there is no command {word!r}", f"did you mean: {ctx.command_path} {intended}")
        return super().resolve_command(ctx, args)

    def intended_line(self, word: str, rest: Sequence[str]) -> str:
        """Return the arguments that were probably intended; empty if nothing is similar."""
        name = word.lower().replace("_", "-")
        if name == "help":
            return f"{rest[0]} --help" if rest and rest[0] in self.commands else "--help"
        command = self.synonyms.get(name)
        if command is None:
            line = self.line_without_command(word, rest)
            if line:
                return line
            near = [command for command in self.commands if command.startswith(name)] or get_close_matches(
                name, (*self.commands, *self.synonyms), n=1)
            command = self.synonyms.get(near[0], near[0]) if near else None
        if command is None or command.startswith("-"):
            return command or ""
        # an option's value may be a secret: repeat only plain words
        return shlex.join((command, *(() if any(part.startswith("-") for part in rest) else rest)))

    def line_without_command(self, word: str, rest: Sequence[str]) -> str:
        """Return the line if the word is an argument and its command was left out; empty if it is none."""
        return ""


_TARGETS = ("docker://", "compose://", "ssh://", "bundle:", "http://", "https://")


class FixerGroup(ProposingGroup):
    """The commands of `fixer`. Their errors reach the error boundary as they are."""

    synonyms = by_synonym({
        "repair": "fix heal recover resolve apply cure solve mend plan preview",
        "diagnose": "status check diagnosis diag analyze analyse doctor inspect scan find test why run debug detect",
        "verify": "health healthcheck validate ping probe",
        "undo": "rollback roll-back revert restore reset back",
        "history": "log logs runs journal journals",
        "causes": "list ls catalog catalogue rules kinds",
        "explain": "show man info describe page doc docs what",
        "collect": "bundle save export report gather dump",
        "learn": "remember baseline record",
        "ignore": "accept mute suppress silence skip allow",
        "fleet": "hosts group summary aggregate many",
        "mcp": "serve server agent agents tools",
        "--version": "version",
        "--show-completion": "completion completions complete autocomplete",
    })

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raise CommandError for what the parser would take for its own."""
        try:
            return super().invoke(ctx)
        except (OSError, EOFError) as error:
            raise CommandError(error) from error

    def line_without_command(self, word: str, rest: Sequence[str]) -> str:
        """Return `diagnose` for a target or an address, `explain` for a cause or a status."""
        if word == "local" or word.startswith(_TARGETS):
            option = ("--url",) if word.startswith("http") else ()
            shown = ("URL",) if "@" in word and option else (word,)
            return shlex.join(("diagnose", *option, *shown, *(part for part in rest if part.startswith("--no-probe"))))
        return shlex.join(("explain", word)) if is_page(word) else ""


class FleetGroup(ProposingGroup):
    """The commands of `fixer fleet`."""

    synonyms = by_synonym({"report": "summary group diagnose status list show"})

    def line_without_command(self, word: str, rest: Sequence[str]) -> str:
        """Return `report` for a file."""
        return shlex.join(("report", word)) if word == "-" or word.endswith((".json", ".jsonl")) else ""


EXAMPLES = {
    "": examples(
        "fixer diagnose                     why does nginx on this host answer 502?",
        "fixer repair                       show the repair, ask, apply it, prove it",
        "fixer undo                         take the last repair back",
        "fixer diagnose compose://shop      nginx in containers",
        "fixer explain 502                  what a 502 means, and what to do next",
    ),
    "diagnose": examples(
        "fixer diagnose", "fixer diagnose --verbose", "fixer diagnose --url http://shop.example/login",
        "fixer diagnose docker://shop-nginx-1", "fixer diagnose compose://shop", "fixer diagnose ssh://root@web1",
        "fixer diagnose bundle:incident.tgz --format markdown", "fixer diagnose --requests 100",
    ),
    "repair": examples(
        "fixer repair --dry-run", "fixer repair", "fixer repair --yes", "fixer repair --yes --max-risk disruptive",
        "fixer repair --set restore-from=/etc/nginx/sites-available/shop.bak", "fixer repair --set-from shop.secrets",
        "fixer repair compose://shop",
    ),
    "verify": examples("fixer verify", "fixer verify --url https://shop.example/api/login --wait 30",
                       "fixer verify compose://shop --json", "fixer verify --requests 100"),
    "undo": examples("fixer undo", "fixer undo compose://shop", "fixer undo --id 20260131-101500-3f2a"),
    "history": examples("fixer history", "fixer history compose://shop --json",
                        "fixer history --forget 20260131-101500-3f2a"),
    "collect": examples("fixer collect --output incident.tgz", "fixer collect compose://shop --output incident.tgz",
                        "fixer collect --script > collect.sh", "fixer diagnose bundle:incident.tgz"),
    "learn": examples("fixer learn", "fixer learn ssh://root@web1"),
    "explain": examples("fixer explain wrong-port", "fixer explain start-203-exec-missing", "fixer explain 502",
                        "fixer explain 'connect() failed (111: Connection refused)'"),
    "causes": examples("fixer causes", "fixer causes --json"),
    "ignore": examples("fixer ignore", "fixer ignore disk-full --because 'moves on Monday' --until 2030-01-31",
                       "fixer ignore wrong-port compose://shop --where api --because test --until 2030-01-31",
                       "fixer ignore --forget 3f2a"),
    "fleet": examples("fixer fleet report fleet.jsonl"),
    "fleet report": examples(
        "fixer fleet report fleet.jsonl", "fixer fleet report web-*.json --verbose",
        "fixer fleet report fleet.jsonl --format html > fleet.html", "fixer fleet report - --json < fleet.jsonl",
    ),
    "mcp": examples("fixer mcp", "fixer mcp --target web1=ssh://root@web1 --target compose://shop",
                    "fixer mcp --allow-repair --max-risk disruptive"),
}
