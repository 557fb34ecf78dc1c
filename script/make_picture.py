"""docs/terminal.cast, a recording of a real run in asciicast v2, and docs/terminal.svg, which plays it.

The run is a lab with a wrong port, fixer's diagnosis, its repair. Of `lab up` the picture shows the story, the page and
the login; a line with … stands for the rest. `--render` makes the picture of the recording that is there. It moves by
CSS alone: no script, no font and no address of elsewhere; who asks for less motion sees its end. The tools that exist
for this (termtosvg, svg-term) have not been kept up for years.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CAST, PICTURE = ROOT / "docs" / "terminal.cast", ROOT / "docs" / "terminal.svg"
WIDTH, ROWS = 92, 32    # columns and rows of the terminal
SEED = 4242
STATE = Path("/tmp/lab")    # the picture shows paths below it, and none of this machine's own
LAST_SHOWN = "  user "      # start of the last line that is shown of `lab up`
PROMPT = "$ "
LINE = 24.4     # pixels: the height of a line, as rich draws it
KEY, SHORTEST, LONGEST = 0.05, 0.03, 0.8        # seconds: of a key, between two lines
READ, REST = 3.5, 8.0       # seconds to read what a command printed, and all of it

Event = tuple[float, str]


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of the picture, and the seconds after which it is there; a command is typed before that."""

    text: str
    at: float

    @property
    def typing(self) -> float:
        """The seconds that its keys take."""
        return KEY * len(self.text) if self.text.startswith(PROMPT) else 0.0


def run_in_terminal(argv: list[str], events: list[Event], began: float) -> str:
    """Run a command on a terminal of WIDTH columns, with its colours (and show it here too); record what it prints."""
    chunks: list[bytes] = []

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        chunks.append(data)
        events.append((time.monotonic() - began, data.decode("utf-8", "replace")))
        return data

    os.environ.update({"COLUMNS": str(WIDTH), "LINES": "60", "TERM": "xterm-256color", "BADGATEWAY_LANG": "en"})
    pty.spawn(argv, read)
    return b"".join(chunks).decode("utf-8", "replace")


def record() -> list[Event]:
    """Run up, diagnose, repair, down; return what a terminal got, with its times."""
    events: list[Event] = []
    lab_id = ""
    STATE.mkdir(mode=0o700)
    os.environ |= {"BADGATEWAY_LAB_STATE": str(STATE), "BADGATEWAY_STATE": str(STATE / "fixer")}
    began = time.monotonic()
    try:
        up = ["lab", "up", "wrong-port", "--seed", str(SEED)]
        for words in (up, ["fixer", "diagnose"], ["fixer", "repair", "--yes"]):
            if words[0] == "fixer":
                words.insert(2, f"compose://{lab_id}")
            events.append((time.monotonic() - began, f"{PROMPT}{' '.join(words)}\r\n"))
            run_in_terminal([str(BIN / words[0]), *words[1:]], events, began)
            if words[:2] == ["lab", "up"]:
                status = subprocess.run([BIN / "lab", "status", "--json"], capture_output=True, check=True)
                lab_id = next(
                    entry["id"] for entry in json.loads(status.stdout)["labs"]
                    if (entry.get("asked", "").partition("/")[0], entry.get("seed")) == ("wrong-port", SEED)
                )
    finally:
        if lab_id:
            subprocess.run([BIN / "lab", "down", lab_id], check=False, capture_output=True)
        shutil.rmtree(STATE)
    return events


def cast_text(events: Iterable[Event]) -> str:
    """Return a recording as asciicast v2: a header, and one JSON array a line."""
    header = {"version": 2, "width": WIDTH, "height": ROWS, "title": "badgateway", "env": {"TERM": "xterm-256color"}}
    rows = ([round(at, 3), "o", text] for at, text in events)
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in (header, *rows)) + "\n"


def read_cast(text: str) -> list[Event]:
    """Return the events of a recording."""
    return [(at, data) for at, kind, data in map(json.loads, text.splitlines()[1:]) if kind == "o"]


def shown_lines(events: Sequence[Event]) -> list[ShownLine]:
    """Return the lines of the picture: of each only its last state, pauses shortened, `lab up` as far as LAST_SHOWN."""
    lines: list[ShownLine] = []
    pending, is_hidden, clock, last = "", False, 0.0, 0.0
    for at, data in events:
        *complete, pending = (pending + data.replace("\r\n", "\n")).split("\n")
        for raw in complete:
            text = raw.rsplit("\r", 1)[-1]
            is_command = text.startswith(PROMPT)
            is_hidden = is_hidden and not is_command
            if is_hidden:
                continue
            clock += min(max(at - last, SHORTEST), LONGEST)
            clock += KEY * len(text) + (READ if lines else 0.0) if is_command else 0.0
            last = at
            lines.append(ShownLine(text, clock))
            if text.startswith(LAST_SHOWN):
                lines.append(ShownLine("  …", clock))
                is_hidden = True
    return lines


def picture(lines: Sequence[ShownLine]) -> str:
    """Return the picture that plays these lines on a window of ROWS rows, again and again."""
    console = Console(record=True, width=WIDTH, force_terminal=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    for line in lines:
        bold = "bold" if line.text.startswith(PROMPT) else ""
        console.print(Text.from_ansi(line.text, style=bold), soft_wrap=True)
    svg = console.export_svg(title="badgateway", unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<clipPath id="terminal-line-.*?</clipPath>\s*| clip-path="url\(#terminal-line-\d+\)"', "", svg,
                 flags=re.DOTALL)
    return _played(svg, lines)


def _played(svg: str, lines: Sequence[ShownLine]) -> str:
    """Return rich's picture of all lines with a shorter window, in which they come and scroll."""
    whole = lines[-1].at + REST
    height, seen = LINE * len(lines), LINE * ROWS
    svg = svg.replace(f'height="{_number(svg, height)}"', f'height="{seen:.1f}"', 1)
    (box,) = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    shrink = max(0.0, height - seen)
    svg = svg.replace(f'viewBox="0 0 {box[0]} {box[1]}"', f'viewBox="0 0 {box[0]} {float(box[1]) - shrink:.1f}"')
    frame = re.search(r'<rect fill="[^"]*" stroke=.*?height="([\d.]+)" rx="8"/>', svg)
    assert frame is not None, "rich draws its window in another way"
    svg = svg.replace(frame[0], frame[0].replace(f'height="{frame[1]}"', f'height="{float(frame[1]) - shrink:.1f}"'))
    head, matrix, body, tail = _parts(svg)
    rows = [body_line for number, line in enumerate(lines) for body_line in _row(number, line, body)]
    style = "\n".join((*_keyframes(lines, whole), _scroll(lines, whole, seen)))
    moved = f'{matrix}<g class="scroll">' + "\n".join(rows) + f"</g></g>{tail}"
    return head.replace("</style>", f"{style}\n</style>", 1) + moved


def _number(svg: str, height: float) -> str:
    """Return the height of the terminal as rich wrote it: the first rect within a clip path."""
    found = re.search(r'<rect x="0" y="0" width="[\d.]+" height="([\d.]+)"', svg)
    assert found is not None and abs(float(found[1]) - height) < 2 * LINE, "rich draws its lines in another way"
    return found[1]


def _parts(svg: str) -> tuple[str, str, dict[int, list[str]], str]:
    """Return what comes before the lines, their group, the elements of each line, and what comes after them."""
    found = re.search(r'(<g class="terminal-matrix">)(.*?)</g>', svg, re.DOTALL)
    assert found is not None, "rich groups its lines in another way"
    before = svg[:found.start()]
    shapes: dict[int, list[str]] = {}
    for shape in re.findall(r"<(?:text|rect)\b.*?(?:</text>|/>)", found[2], re.DOTALL):
        (y,) = re.findall(r' y="([\d.]+)"', shape)
        shapes.setdefault(int(float(y) / LINE), []).append(shape)
    return before, found[1], shapes, svg[found.end():]


def _row(number: int, line: ShownLine, body: dict[int, list[str]]) -> Iterable[str]:
    shapes = "".join(body.get(number, ()))
    cover = (f'<rect class="cover c{number}" x="0" y="{number * LINE:.1f}" width="1200" height="{LINE}"/>'
             if line.typing else "")
    if shapes:
        yield f'<g class="l{number}">{shapes}{cover}</g>'


def _keyframes(lines: Sequence[ShownLine], whole: float) -> Iterable[str]:
    """Yield the style of each line: hidden until its time. A cover moves off a command while it is typed."""
    yield ".cover { fill: #292929; transform: translateX(1200px) }"
    for number, line in enumerate(lines):
        begins = 100 * (line.at - line.typing) / whole
        yield (f".l{number} {{ animation: l{number} {whole:.1f}s step-end infinite }} @keyframes l{number} "
               f"{{ 0% {{ opacity: 0 }} {begins:.2f}% {{ opacity: 1 }} }}")
        if line.typing:
            ends, keys = 100 * line.at / whole, len(line.text)
            yield (f".c{number} {{ animation: c{number} {whole:.1f}s steps({keys}) infinite }} @keyframes c{number} "
                   f"{{ 0%, {begins:.2f}% {{ transform: translateX(0) }} "
                   f"{ends:.2f}% {{ transform: translateX({keys * 12.2:.0f}px) }} "
                   f"{ends + 0.01:.2f}%, 100% {{ transform: translateX(1200px) }} }}")
    yield "@media (prefers-reduced-motion: reduce) { * { animation: none !important } }"


def _scroll(lines: Sequence[ShownLine], whole: float, seen: float) -> str:
    """Return how the lines move up, one row at a time, as soon as they fill the window."""
    most = max(0.0, len(lines) * LINE - seen)
    steps = [(100 * line.at / whole, max(0.0, (number + 1) * LINE - seen)) for number, line in enumerate(lines)]
    moves = "".join(f" {at:.2f}% {{ transform: translateY(-{up:.1f}px) }}"
                    for (_, before), (at, up) in pairwise(steps) if up != before)
    return (f".scroll {{ transform: translateY(-{most:.1f}px); animation: scroll {whole:.1f}s step-end infinite }} "
            f"@keyframes scroll {{ 0% {{ transform: translateY(0) }}{moves} }}")


def main() -> None:
    """Record a run unless `--render` asks for the one that is there; write the picture only if all succeeded."""
    if "--render" not in sys.argv:
        CAST.write_text(cast_text(record()), encoding="utf-8")
    PICTURE.write_text(picture(shown_lines(read_cast(CAST.read_text(encoding="utf-8")))), encoding="utf-8")


if __name__ == "__main__":
    main()
