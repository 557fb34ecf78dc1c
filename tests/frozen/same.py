"""Whether diagnoses and plans are what they were: the cause tests' inputs and real captures, compared with frozen answers.

    script/same                      replay all; what differs is printed, and the exit code is 1
    script/same --causes             the inputs of the cause tests only; --captures: the captures only
    script/same --recorded DIR       the inputs of the cause tests as a run of the tests has recorded them (tests/frozen/recorder.py)
    script/same --only 'GLOB'        keys that fit, e.g. 'captures/wrong-port/*'
    script/same --full               every difference, and all of it
    script/same --freeze             what is said now is frozen; the differences are printed, for the commit's message
    script/same --pack DIR           make the archive of the captures in DIR; --refuse WORD: none may hold it
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.frozen import captures, comparing, recorder

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PARTS = ("causes", "captures")
WORKERS = 2
Replayed = tuple[dict[str, str], dict[str, str]]     # the answers, and the names of those who asked


def main(argv: list[str]) -> int:
    """The exit code: 1 where anything differs, or could not be replayed."""
    words = _words(argv)
    if words.pack:
        return _pack(words.pack, words.refuse)
    parts = ["causes"] if words.recorded else [part for part in PARTS if getattr(words, part)] or list(PARTS)
    worst = 0
    for part in parts:
        worst |= _part(part, words)
    return worst


def _words(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "script/same", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for part in PARTS:
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--recorded", metavar="DIR", type=Path)
    parser.add_argument("--only", metavar="GLOB", default="*")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("--pack", metavar="DIR", type=Path)
    parser.add_argument("--refuse", metavar="WORD", action="append", default=[])
    words = parser.parse_args(argv)
    if words.freeze and words.only != "*":
        parser.error("a part of the keys cannot be frozen")
    if words.recorded and words.captures:
        parser.error("a run of the tests records no captures")
    return words


def _pack(folder: Path, refused: list[str]) -> int:
    try:
        count = captures.pack(folder, refused)
    except captures.Refused as error:
        print(f"not packed, for a capture holds what it must not:\n{error}")
        return 1
    print(f"{count} captures, {captures.ARCHIVE.stat().st_size} bytes; freeze their answers with --freeze --captures")
    return 0


def _part(part: str, words: argparse.Namespace) -> int:
    """One part: replayed, compared, and frozen where that is asked for."""
    path, started = HERE / f"{part}.jsonl.xz", time.monotonic()
    everything = comparing.read(path)
    frozen = comparing.only(everything, words.only)
    if words.only != "*" and not frozen:
        return 0
    try:
        answers, names = _causes(words.recorded) if part == "causes" else _captures(words.only)
    except ReplayFailed as error:
        print(f"{part}: {error}")
        return 1
    present = comparing.only(answers, words.only)
    found = comparing.compare(frozen, present)
    print(f"{part}: {found.summary()} ({time.monotonic() - started:.0f} s)")
    if words.freeze:
        if not found.is_same:
            comparing.write(path, present)
            print("\n".join(found.listed()))
        return 0
    if not found.is_same:
        print("\n".join(comparing.shown(found, frozen, present, names, full=words.full)))
    return 0 if found.is_same else 1


class ReplayFailed(Exception):
    """The inputs could not be replayed."""


def _causes(records: Path | None) -> Replayed:
    """What the tests' diagnoses say: while the tests run, or in the records of a run."""
    if records is not None:
        return gathered(records)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", recorder.__name__, "-p", "no:cacheprovider", "-n", str(WORKERS),
             "-m", "not docker", *recorder.SOURCES],
            cwd=ROOT, env={**os.environ, recorder.FOLDER: folder}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ReplayFailed("the tests themselves fail\n" + "\n".join(done.stdout.splitlines()[-30:]) + done.stderr)
        return gathered(Path(folder))


def gathered(folder: Path) -> Replayed:
    """The records of all workers. The same input has one answer, whoever asked."""
    answers: dict[str, str] = {}
    names: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        for line in path.read_text(encoding="ascii").splitlines():
            number, test, answer = json.loads(line)
            key = f"causes/{number}"
            if answers.setdefault(key, answer) != answer:
                raise ReplayFailed(f"{test} and {names[key]} ask the same ({key}) and are told otherwise")
            names[key] = min(names.get(key, test), test)
    return answers, names


def _captures(glob: str) -> Replayed:
    asked = {f"captures/{key}": bundle for key, bundle in captures.unpacked()}
    chosen = sorted(comparing.only(dict.fromkeys(asked, ""), glob))
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        said = dict(zip(chosen, pool.map(captures.replay, map(asked.__getitem__, chosen), chunksize=8), strict=True))
    print(f"captures: {sum(replayed.quotes for replayed in said.values())} quotes of files compared with their lines")
    return answers_of(said), {}


def answers_of(said: Mapping[str, captures.Replayed]) -> dict[str, str]:
    """The answers alone; ReplayFailed where one quotes what does not stand in the line that it names."""
    if wrong := [f"{key}: {fault}" for key, replayed in said.items() for fault in replayed.misplaced]:
        raise ReplayFailed("\n".join(["these quotes stand elsewhere", *wrong]))
    return {key: replayed.answer for key, replayed in said.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
