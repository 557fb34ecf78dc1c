"""The parser's extras: `-h`, examples below each help, and proposals for commands that other tools have."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

from fixer.errors import UsageError

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}

# What people type by habit, and the command that does it here.
_MEANT = {
    "repair": "fix heal recover resolve apply cure solve mend",
    "diagnose": "status check diagnosis diag analyze analyse doctor inspect scan find test why run debug detect triage",
    "verify": "health healthcheck validate ping probe",
    "undo": "rollback roll-back revert restore reset back",
    "history": "log logs runs journal journals list-runs",
    "causes": "list ls catalog catalogue rules kinds",
    "explain": "show man info describe page doc docs what",
    "collect": "bundle save export report gather dump",
    "learn": "remember baseline record",
    "ignore": "accept mute suppress silence skip allow",
    "--version": "version",
}
_COMMANDS = {word: command for command, words in _MEANT.items() for word in words.split()}
_TARGETS = ("docker://", "compose://", "ssh://", "bundle:", "http://", "https://")


class ProposingGroup(TyperGroup):
    """The commands, with a proposal for a word that is none of them."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; raise UsageError with the command line that was probably intended."""
        word = args[0]
        if self.get_command(ctx, word) is None and not ctx.resilient_parsing:
            intended = intended_line(word, args[1:], tuple(self.commands))
            if intended:
                raise UsageError(f"there is no command {word!r}", f"did you mean: fixer {intended}")
        return super().resolve_command(ctx, args)


def intended_line(word: str, rest: Sequence[str], commands: Sequence[str]) -> str:
    """Return the arguments of `fixer` that were probably intended; empty if nothing is similar."""
    from fixer.app.cause_catalogue import is_page  # loads every cause: for a wrong command only

    name = word.lower().replace("_", "-")
    if name == "help":
        return f"{rest[0]} --help" if rest and rest[0] in commands else "--help"
    if word == "local" or word.startswith(_TARGETS):
        option = ("--url",) if word.startswith("http") else ()
        return shlex.join(("diagnose", *option, word, *rest)) if "@" not in word else shlex.join(("diagnose", *option))
    command = _COMMANDS.get(name)
    if command is None and is_page(word):
        return shlex.join(("explain", word))
    if command is None:
        from difflib import get_close_matches  # 5 ms, for a wrong name only

        near = get_close_matches(name, (*commands, *_COMMANDS), n=1)
        command = _COMMANDS.get(near[0], near[0]) if near else None
    if command is None:
        return ""
    # an option's value may be a secret: repeat only plain words
    plain = () if any(part.startswith("-") for part in rest) else tuple(rest)
    return command if command.startswith("-") else shlex.join((command, *plain))


def examples(*lines: str) -> str:
    """Return an epilog that keeps its lines, in the help and in the manual page."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
