"""The sheet of a class: the entrances of each person, as text for paper, in the language of the trainer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lab.languages.translate import readers_language, say

_STYLE = ("body{font:16px/1.5 sans-serif;margin:2em auto;max-width:46em;padding:0 1em}section{break-after:page}"
          "dt{font-weight:bold}dd{margin:0 0 .6em 0}code{font-size:1.1em;overflow-wrap:anywhere}")


@dataclass(frozen=True, slots=True)
class Entrance:
    """What one person gets. `rows` are names and values; a value in backquotes is typed as it stands."""

    name: str
    story: str
    rows: tuple[tuple[str, str], ...]


def clock(moment: float) -> str:
    """Return a moment as people of this machine read it."""
    return time.strftime("%H:%M", time.localtime(moment))


def entrance(name: str, story: str, *, page: str, account: tuple[str, str], ssh: str, token: str, host_key: str,
             until: float, own_page: str = "") -> Entrance:
    """Return the entrance of a person."""
    own = [(say("console/sheet-own-page", "hints, check and the clock"), f"`{own_page}`")] if own_page else []
    rows = [
        (say("console/sheet-page", "the page that users complain about"), f"`{page}/login`"),
        (say("console/sheet-account", "an account of it"),
         say("console/sheet-login", "user {user}, password {password}", user=f"`{account[0]}`",
             password=f"`{account[1]}`")),
        (say("console/sheet-shell", "a shell in the machine"), f"`{ssh}`"),
        (say("console/sheet-token", "your token, which is the password"), f"`{token}`"),
        (say("console/sheet-key", "the machine's key"), f"`{host_key}`"), *own,
        (say("console/sheet-end", "it ends at"), clock(until)),
    ]
    return Entrance(name, " ".join(story.split()), tuple(rows))


def _task() -> str:
    return say("console/sheet-task", "Find out why, repair it inside the machine, and make sure that the repair "
               "survives a restart. Any repair counts that brings the page back as it was.")


def markdown_sheet(title: str, entrances: Sequence[Entrance]) -> str:
    """Return the sheet as Markdown, one part for each person."""
    parts = [f"# {title}"]
    for one in entrances:
        rows = "\n".join("- " + say("console/sheet-row", "{what}: {value}", what=what, value=value)
                         for what, value in one.rows)
        parts.append(f"## {one.name}\n\n> {one.story}\n\n{rows}\n\n{_task()}")
    return "\n\n".join(parts) + "\n"


def html_sheet(title: str, entrances: Sequence[Entrance]) -> str:
    """Return the sheet as one HTML file, one printed page for each person."""
    sections = "\n".join(
        f"<section><h1>{escape(one.name)}</h1><blockquote>{escape(one.story)}</blockquote><dl>"
        + "".join(f"<dt>{escape(what)}</dt><dd>{_typed(value)}</dd>" for what, value in one.rows)
        + f"</dl><p>{escape(_task())}</p></section>" for one in entrances)
    return (f'<!doctype html>\n<html lang="{readers_language()}"><head><meta charset="utf-8">'
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n{sections}\n</body></html>\n")


def _typed(value: str) -> str:
    """Return a value with what is between backquotes as code."""
    parts = value.split("`")
    return "".join(f"<code>{escape(part)}</code>" if number % 2 else escape(part) for number, part in enumerate(parts))
