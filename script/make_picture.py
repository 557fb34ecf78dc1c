"""docs/terminal.svg from a real run: a lab with a wrong port, fixer's diagnosis, its repair.

Of `lab up` it shows the story, the page and the login; a line with … stands for the rest.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
WIDTH = 92
SEED = 4242
STATE = Path("/tmp/lab")    # the picture shows paths below it, and none of this machine's own
LAST_SHOWN = "  user "      # start of the last line that is shown of `lab up`


def run_in_terminal(argv: list[str]) -> str:
    """Return the command's output on a terminal of WIDTH columns, with its colours (and show it here too)."""
    chunks: list[bytes] = []

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        chunks.append(data)
        return data

    os.environ.update({"COLUMNS": str(WIDTH), "LINES": "60", "TERM": "xterm-256color"})
    pty.spawn(argv, read)
    return b"".join(chunks).decode("utf-8", "replace").replace("\r\n", "\n")


def main() -> None:
    """Run up, diagnose, repair, down; write the picture only if all succeeded."""
    console = Console(record=True, width=WIDTH, force_terminal=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    lab_id = ""
    STATE.mkdir(mode=0o700)
    os.environ |= {"BADGATEWAY_LAB_STATE": str(STATE), "BADGATEWAY_STATE": str(STATE / "fixer")}
    try:
        up = ["lab", "up", "wrong-port", "--seed", str(SEED)]
        for words in (up, ["fixer", "diagnose"], ["fixer", "repair", "--yes"]):
            if words[0] == "fixer":
                words.insert(2, f"compose://{lab_id}")
            console.print(Text(f"$ {' '.join(words)}", style="bold"))
            printed = last_frames(run_in_terminal([str(BIN / words[0]), *words[1:]]))
            console.print(Text.from_ansi(shortened(printed) if words == up else printed))
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
    picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="badgateway"), flags=re.DOTALL)
    (ROOT / "docs" / "terminal.svg").write_text(picture, encoding="utf-8")


def last_frames(text: str) -> str:
    """Return only the last state of each line: progress rewrites its line with a carriage return."""
    return "\n".join(line.rsplit("\r", 1)[-1] for line in text.split("\n"))


def shortened(text: str) -> str:
    """Return the output of `lab up` as far as LAST_SHOWN."""
    before, start, after = text.partition(f"\n{LAST_SHOWN}")
    return f"{before}{start}{after.partition(chr(10))[0]}\n  …\n"


if __name__ == "__main__":
    main()
