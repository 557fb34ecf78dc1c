"""`lab replay`: show a recorded shell again, or list what is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lab.errors import UsageError
from lab.recording.cast_file import QuietText, pauses, read_cast
from lab.recording.recorder import recordings_folder

LONGEST_PAUSE = 2.0  # seconds: nobody watches somebody think


def recordings(word: str = "") -> tuple[Path, ...]:
    """Return the recordings of a lab, or all, oldest first."""
    found = [path for path in recordings_folder().glob("*.cast") if not word or path.name.startswith(f"{word}-")]
    return tuple(sorted(found, key=lambda path: (path.stat().st_mtime, path.name)))


def find_recording(word: str) -> Path:
    """Return the newest recording of a lab, or of all, or the file that the word names; raise UsageError for none."""
    named = Path(word)
    if word.endswith(".cast"):
        for path in (named, recordings_folder() / named.name):
            if path.is_file():
                return path
    found = recordings(word)
    if not found:
        raise UsageError(f"no shell of {word} was recorded" if word else "no shell was recorded yet",
                         "lab shell records what it shows, unless it is told --no-record; lab replay --list")
    return found[-1]


def list_text() -> str:
    """Return one line for each recording: file, when it began, how long it is."""
    found = recordings()
    if not found:
        return "no shell was recorded yet"
    return "\n".join(_line(path) for path in found)


def _line(path: Path) -> str:
    events = read_cast(path.read_text(encoding="utf-8", errors="replace"), path.name)
    seconds = events[-1].at if events else 0.0
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
    return f"{path.name}  {when}  {seconds:.0f} s"


def replay(path: Path, write: Callable[[str], object], sleep: Callable[[float], object], *, speed: float = 1.0) -> None:
    """Write what a shell showed, with its pauses. Texts for the terminal itself, such as its title, are left out."""
    quiet = QuietText()
    for pause, event in pauses(read_cast(path.read_text(encoding="utf-8", errors="replace"), path.name), LONGEST_PAUSE):
        if event.kind == "o":
            sleep(pause / speed)
            write(quiet.feed(event.data))
