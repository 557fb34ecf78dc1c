"""docs/layers.svg from the import contract of pyproject.toml: what lies above may import what lies below.

`--check` exits 1 if the picture is out of date."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "layers.svg"
CONTRACT = "fixer layers"
LEFT, WIDTH, ROW, GAP, NAME = 8, 844, 34, 6, 170      # pixels; NAME is the column of names
TASKS = {  # what a layer does for the reader, as a colour
    "sees": ("observe", "hosts", "managers", "nginx", "formats"),
    "judges": ("diagnose", "causes", "findings", "analysis", "verify"),
    "changes": ("apply", "planner", "policy", "repairs"),
    "speaks": ("cli", "render", "start", "app", "translated_help", "languages"),
}
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.name { font-weight: 600 }
rect { fill: #f6f8fa; stroke: #8c959f }
.sees rect { fill: #ddf4ff } .judges rect { fill: #fff8c5 }
.changes rect { fill: #ffebe9 } .speaks rect { fill: #dafbe1 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } rect { fill: #161b22; stroke: #6e7681 }
.sees rect { fill: #0c2d6b } .judges rect { fill: #4b3b00 }
.changes rect { fill: #5d0f12 } .speaks rect { fill: #04401f }
}"""


def layers() -> list[list[str]]:
    """Return the layers from top to bottom, each with the names of its folders or files."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [one for one in settings["contracts"] if one["name"] == CONTRACT]
    return [[name.strip().removeprefix("fixer.") for name in row.replace(":", "|").split("|")]
            for row in contract["layers"]]


def first_line(name: str) -> str:
    """Return the first sentence of a module's or folder's docstring; of one that is too long for its box, what stands
    before a colon or comma."""
    folder = ROOT / "fixer" / name
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    sentence = " ".join(said.split()).split(". ")[0].rstrip(".").replace("`", "")
    if len(sentence) <= 92:
        return sentence
    head = re.match(r"(.{1,91})[:;,] ", sentence)
    return head[1] if head else f"{sentence[:91]} …"        # a test refuses that: such a docstring is too long


def picture() -> str:
    """Return the picture: a box for each folder, one below the other as the contract has them."""
    parts: list[str] = []
    y = 44.0
    for row in layers():
        for number, name in enumerate(row):
            task = next((task for task, names in TASKS.items() if name in names), "")
            parts.append(f'<g class="{task}"><rect x="{LEFT}" y="{y:.0f}" width="{WIDTH}" height="{ROW}" rx="5"/>'
                         f'<text class="name" x="{LEFT + 12}" y="{y + 22:.0f}">{escape(name)}</text>'
                         f'<text x="{LEFT + NAME}" y="{y + 22:.0f}">{escape(first_line(name))}</text></g>')
            y += ROW + (0 if number < len(row) - 1 else GAP)
    legend = "".join(
        f'<g class="{task}"><rect x="{LEFT + number * 120}" y="10" width="14" height="14" rx="3"/>'
        f'<text x="{LEFT + 22 + number * 120}" y="22">{task}</text></g>' for number, task in enumerate(TASKS))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 2 * LEFT} {y:.0f}" role="img" '
            f'aria-label="The layers of fixer, from the command line down to the errors"><style>{STYLE}</style>\n'
            f"{legend}\n" + "\n".join(parts) + "\n</svg>\n")


def main() -> int:
    """Write or check the picture."""
    new = picture()
    if "--check" in sys.argv:
        return 0 if PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == new else 1
    PICTURE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
