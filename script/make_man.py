"""Man pages of `fixer` and `lab`, one for each program and one for each command, from Typer's own command tree.

click-man cannot do it: the Typer that this project pins brings its own copy of click, which click-man does not know."""

from __future__ import annotations

import gzip
import inspect
import sys
from pathlib import Path
from typing import Any

import typer.main

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

HELP_OPTIONS = ["-h", "--help"]
EXIT_STATUS = {
    "fixer": (
        ("0", "healthy, or nothing is left to repair"),
        ("1", "degraded or broken, or the repair did not help and was rolled back"),
        ("2", "wrong usage"), ("3", "the target could not be observed or judged"),
        ("4", "the operator must decide: an input, a choice or a flag is missing"), ("130", "interrupted"),
    ),
    "lab": (
        ("0", "done, or the lab is well"), ("1", "the lab is not well, or a case failed"), ("2", "wrong usage"),
        ("3", "Docker does not answer, or a lab could not be started"), ("130", "interrupted"),
    ),
}
FILES = {
    "fixer": (("/var/lib/badgateway", "journals of repairs, what `fixer learn` remembered, ignored findings"),
              ("/etc/badgateway/policy.toml", "what --yes may do on this host")),
    "lab": (),
}


def escape(text: str) -> str:
    """Return the text as roff takes it literally: backslash, hyphen, and a line's first dot or quote."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").split("\n")
    return "\n".join("\\&" + line if line[:1] in {".", "'"} else line for line in lines)


def page(command: Any, path: str, version: str, children: list[tuple[str, str]]) -> str:
    """Return one man page; `path` is `fixer` or `fixer diagnose`."""
    context = type(command).context_class(command, info_name=path, help_option_names=HELP_OPTIONS)
    program, name = path.partition(" ")[0], path.replace(" ", "-")
    text = inspect.cleandoc(command.help or "")
    lines = [
        f'.TH "{name.upper()}" "1" "" "badgateway {version}" "badgateway"', ".SH NAME",
        f"{escape(name)} \\- {escape(text.splitlines()[0].rstrip('.') if text else name)}",
        ".SH SYNOPSIS", f".B {escape(path)}", escape(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION", escape(text).replace("\n\n", "\n.PP\n"),
    ]
    for heading, kind in (("ARGUMENTS", "argument"), ("OPTIONS", "option")):
        chosen = [item for item in command.get_params(context) if item.param_type_name == kind]
        records = [record for record in (item.get_help_record(context) for item in chosen) if record]
        if records:
            lines.append(f".SH {heading}")
        for name_of, meaning in records:
            lines += [".TP", f"\\fB{escape(name_of)}\\fR", escape(" ".join(meaning.split())) or "\\&"]
    if children:
        lines.append(".SH COMMANDS")
        for child, summary in children:
            lines += [".TP", f"\\fB{escape(child)}\\fR(1)", escape(summary)]
    if command.epilog:
        lines += [".SH EXAMPLES", ".nf", escape(inspect.cleandoc(_examples(command.epilog))), ".fi"]
    for heading, rows in (("EXIT STATUS", EXIT_STATUS[program]), ("FILES", FILES[program])):
        if rows:
            lines.append(f".SH {heading}")
            for label, meaning in rows:
                lines += [".TP", f"\\fB{escape(label)}\\fR", escape(meaning)]
    if path != program:
        lines += [".SH SEE ALSO", f"\\fB{program}\\fR(1)"]
    return "\n".join(lines) + "\n"


def _examples(epilog: str) -> str:
    """Return the examples of a help's epilog, without the parser's mark for lines that keep their breaks."""
    return epilog.replace("\b\n", "").removeprefix("Examples:\n")


def pages(program: str) -> dict[str, str]:
    """Return every man page of a program by its file name."""
    import fixer
    from fixer.cli import app as fixer_app
    from lab.cli import app as lab_app

    root: Any = typer.main.get_command({"fixer": fixer_app, "lab": lab_app}[program])
    shown = {name: command for name, command in sorted(root.commands.items()) if not command.hidden}
    children = [(f"{program}-{name}", command.get_short_help_str(200)) for name, command in shown.items()]
    made = {f"{program}.1": page(root, program, fixer.__version__, children)}
    for name, command in shown.items():
        inner = getattr(command, "commands", {})  # of a command such as `lab class`
        below = [(f"{program}-{name}-{word}", one.get_short_help_str(200)) for word, one in inner.items()]
        made[f"{program}-{name}.1"] = page(command, f"{program} {name}", fixer.__version__, below)
        for word, one in inner.items():
            made[f"{program}-{name}-{word}.1"] = page(one, f"{program} {name} {word}", fixer.__version__, [])
    return made


def main() -> None:
    """Write the pages of the programs that are named into a folder, compressed; the same input makes the same bytes."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for program in sys.argv[2:] or ["fixer", "lab"]:
        for name, text in pages(program).items():
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
