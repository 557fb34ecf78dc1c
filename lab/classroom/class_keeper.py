"""The keeper of a class: `python -m lab.classroom.class_keeper NAME` waits until the class ends, then takes it down.

It is a process of its own, in a session of its own: it goes on after `lab` was killed and its terminal closed.
If the keeper is killed too, each door still ends by itself at the same moment. After a reboot of the host neither doors
nor machines start again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from lab.classroom.class_down import class_down
from lab.classroom.class_page import start_page
from lab.classroom.class_record import ClassRecord, class_file, load_class, save_class
from lab.errors import LabError
from lab.languages.translate import environment_of_children
from lab.stack.docker_engine import start, state_of, stop, written_bytes
from lab.stack.lab_records import load_record
from lab.stack.running_lab import Lab
from lab.stack.seat import DISK_CAP

LOOK_SECONDS = 2.0  # between looks at the record: a class that is taken down by hand ends the keeper
ROUND_SECONDS = 20.0  # between looks at the machines


def start_keeper(record: ClassRecord) -> int:
    """Start the keeper of a class and return its process."""
    log = class_file(record.name, "log")
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as out:
        heard = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # from its first moment on: what is ignored is inherited
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "lab.classroom.class_keeper", record.name], stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, start_new_session=True, env=environment_of_children(),
                cwd=Path(__file__).parents[2],  # another folder may hold a `lab`
            )
        finally:
            signal.signal(signal.SIGHUP, heard)
    process.returncode = 0  # nobody waits for it: it lives longer than this command
    return process.pid


def is_kept(record: ClassRecord) -> bool:
    """Return whether the keeper of a class runs; its number may belong to another process by now."""
    try:
        words = Path(f"/proc/{record.keeper}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"lab.classroom.class_keeper" in words and record.name.encode() in words


def look_after(record: ClassRecord) -> ClassRecord:
    """Stop machines that wrote too much; start those again that their people have switched off."""
    for person in record.people:
        kept = load_record(person.lab_id)
        if kept is None or not kept.ready or person.lab_id in record.stopped:
            continue
        machine = Lab(kept).container()
        if state_of(machine) == "exited":
            start(machine)
        elif written_bytes(machine) > DISK_CAP:
            stop(machine)
            record = replace(record, stopped=(*record.stopped, person.lab_id))
            save_class(record)
    return record


def keep(name: str) -> int:
    """Wait until the class ends or is gone; return the exit code."""
    next_round, page = time.monotonic(), None
    while (record := load_class(name)) is not None:
        if time.time() >= record.until:
            break
        if time.monotonic() >= next_round:
            if page is None or page.poll() is not None:
                page = start_page(record)
            with contextlib.suppress(LabError):  # the engine may restart; the class's end still comes
                look_after(record)
            next_round = time.monotonic() + ROUND_SECONDS
        time.sleep(LOOK_SECONDS)
    if record is None:
        return 0
    return _end(record)


def _end(record: ClassRecord) -> int:
    """Take the class down; while the engine does not answer, try again."""
    while True:
        try:
            class_down(record)
        except LabError as error:
            print(f"lab: {error.message}", file=sys.stderr, flush=True)  # noqa: T201  its log
            time.sleep(ROUND_SECONDS)
        else:
            return 0


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1]))
