"""Pages of the documentation site that are made from the causes' own data: a page a cause, and the decision tree."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fixer.analysis.cause import VARIANTS_TITLE, Cause, variant_meanings  # noqa: E402  a script beside the package
from fixer.app.cause_catalogue import all_causes  # noqa: E402
from fixer.diagnose.line_meanings import MEANINGS, Meaning  # noqa: E402
from fixer.nginx.error_kinds import concern_of  # noqa: E402
from lab.scenario.catalog import all_scenarios  # noqa: E402

COMMANDS_TITLE = "By hand"
SOURCE_WIDTH = 120  # columns to which the pages of causes are written
PROGRAMS = ("nginx", "systemd", "supervisord", "uvicorn", "gunicorn")  # their names keep their first letter
_CODE = re.compile(r"(`[^`]*`)")


def generated_pages() -> dict[str, str]:
    """Return every generated page: its path on the site, and its Markdown."""
    pages = {f"causes/{cause.id}.md": cause_page(cause) for cause in all_causes()}
    return {"causes/index.md": index_page(), "decision-tree.md": tree_page(), **pages}


def index_page() -> str:
    """Return the list of causes by family."""
    variants = sum(len(cause.variants) for cause in all_causes())
    lines = ["# Causes", "", f"fixer knows {len(all_causes())} causes with {variants} variants. "
             "`fixer explain CAUSE` prints the same page on a terminal."]
    for family in dict.fromkeys(cause.family for cause in all_causes()):
        lines += ["", f"## {_capital(family)}", "", "| cause | what is wrong |", "| --- | --- |"]
        lines += [f"| [`{cause.id}`]({cause.id}.md) | {escaped(cause.title)} |"
                  for cause in all_causes() if cause.family == family]
    return "\n".join(lines) + "\n"


def cause_page(cause: Cause) -> str:
    """Return the page of a cause: what `fixer explain` prints, its lines of error.log, an anchor for each variant."""
    summary, *sections = cause.page.partition(VARIANTS_TITLE)[0].strip().split("\n\n")
    lines = [f"# {cause.id} {{ #top }}", "", f"**{escaped(_capital(cause.title))}.** Family: {cause.family}.", "",
             escaped(summary)]
    for section in sections:
        lines += ["", *_section_lines(section.splitlines())]
    lines += ["", "## What nginx logs", "", *_log_lines(cause.id), "", "## Variants"]
    for name, text in variant_meanings(cause.page).items():
        lines += ["", f"### {name} {{ #{name} }}", "", f"{escaped(_capital(text))}.", *_lab_lines(name)]
    return "\n".join(lines) + "\n"


def _section_lines(source: Sequence[str]) -> Iterator[str]:
    """Yield a section of a page as Markdown. A paragraph that goes on with a section has no title of its own."""
    title, body = (source[0], source[1:]) if source[0][:1] not in ("", " ") else ("", source)
    if title:
        yield from (f"## {title}", "")
    if title == COMMANDS_TITLE:
        yield from ("```sh", *(line[2:] for line in body), "```")
    else:
        yield escaped("\n".join(_paragraphs(body)))  # as a whole: a line may end between backticks


def _paragraphs(body: Sequence[str]) -> Iterator[str]:
    last = ""
    for line in body:
        if last.endswith(".") and len(last) + 1 + len(line.split()[0]) <= SOURCE_WIDTH:
            yield ""  # a sentence that left room for the next word ends its paragraph
        yield re.sub(r"^([a-z]+(?:-[a-z0-9]+)+) \((safe|disruptive|manual)", r"`\1` (\2", line.strip())
        last = line


def _log_lines(cause: str) -> Iterator[str]:
    meanings = [meaning for meaning in MEANINGS if cause in meaning.causes]
    if not meanings:
        yield "No line of nginx's error log points to this cause."
    for meaning in meanings:
        rank = meaning.causes.index(cause) + 1
        yield f"- [`{meaning.example}`](../decision-tree.md#{anchor(meaning)}), cause {rank} of {len(meaning.causes)}"


def _lab_lines(variant: str) -> Iterator[str]:
    for name in _scenarios_of(variant)[:1]:
        yield from ("", f"Meet it in the lab: `lab up {name}`")


@cache
def _scenarios() -> tuple[tuple[str, str], ...]:
    return tuple((one.expect.variant or one.name, f"{found.name}/{one.name}")
                 for found in all_scenarios().values() for one in found.variants)


def _scenarios_of(variant: str) -> list[str]:
    return [name for expected, name in _scenarios() if expected == variant]


def tree_page() -> str:
    """Return the decision tree: a line of error.log, its causes, and the first command for each."""
    causes = {cause.id: cause for cause in all_causes()}
    lines = ["# From the error line to the command", "",
             "Read the last lines of nginx's error log, find yours below, and work from the top of its table: the most "
             "likely cause is first. The command is the first step by hand.", "",
             "```sh", "tail -n 5 /var/log/nginx/error.log     # in a container: docker logs --tail 5 NGINX", "```", "",
             "`fixer explain 'LINE'` prints the same for a line that you paste. `sudo fixer diagnose` decides between "
             "the causes, with proof."]
    for meaning in MEANINGS:
        lines += ["", f"## {escaped(meaning.example)} {{ #{anchor(meaning)} }}", "", escaped(meaning.text), "",
                  f"Kinds: {', '.join(f'`{kind}`' for kind in meaning.kinds)} ({_sort_text(meaning)})."]
        known = [causes[name] for name in meaning.causes if name in causes]
        if known:
            lines += ["", "| cause | what is wrong | first command by hand |", "| --- | --- | --- |"]
        lines += [f"| [`{one.id}`](causes/{one.id}.md) | {escaped(one.title)} | {_first_command(one)} |"
                  for one in known]
    return "\n".join(lines) + "\n"


def _sort_text(meaning: Meaning) -> str:
    return "nginx's own failure" if any(concern_of(kind) == "nginx" for kind in meaning.kinds) else "about the backend"


def _first_command(cause: Cause) -> str:
    body = cause.page.partition(f"\n{COMMANDS_TITLE}\n")[2].partition("\n")[0]
    command = re.split(r"(?<! ) +(?=# )", body.strip(), maxsplit=1)[0]
    return f"`{command}`" if command else ""


def anchor(meaning: Meaning) -> str:
    """Return the anchor of a line in the decision tree: its first kind."""
    return meaning.kinds[0]


def escaped(text: str) -> str:
    """Return plain text as Markdown: what stands between backticks stays, the rest shows its own characters."""
    return "".join(part if number % 2 else re.sub(r"([*<\[\]_|])", r"\\\1", part).replace("\\<", "&lt;")
                   for number, part in enumerate(_CODE.split(text)))


def _capital(text: str) -> str:
    """Return a sentence with a capital letter, unless it begins with a name: a program's, a directive's, an address."""
    first = text.partition(" ")[0].rstrip(",:")
    return text[:1].upper() + text[1:] if first.isalpha() and first.islower() and first not in PROGRAMS else text
