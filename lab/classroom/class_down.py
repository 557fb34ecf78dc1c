"""`lab class down`: removal of every lab of a class, and of its record; classes whose time is over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.classroom.class_record import ClassRecord, class_names, delete_class, load_class
from lab.stack.lab_records import load_record
from lab.verbs.down import lab_down


def class_down(record: ClassRecord, say: Callable[[str], None] = lambda line: None) -> None:
    """Remove the labs of a class, then its record."""
    for person in record.people:
        kept = load_record(person.lab_id)
        lab_down(person.lab_id, cut_off=kept is not None and not kept.ready)
        say(f"✔ {person.lab_id} of {person.name} removed")
    delete_class(record.name)
    _end_keeper(record)


def _end_keeper(record: ClassRecord) -> None:
    """End the keeper at once. Without its record it would end by itself a moment later."""
    try:
        words = Path(f"/proc/{record.keeper}/cmdline").read_bytes().split(b"\0")
        if record.keeper != os.getpid() and record.name.encode() in words:
            os.kill(record.keeper, signal.SIGTERM)
    except OSError:
        return


def over(now: float) -> Iterator[ClassRecord]:
    """Yield the classes whose time is over; normally their keeper has removed them."""
    for name in class_names():
        record = load_class(name)
        if record is not None and record.until <= now:
            yield record


def sweep(say: Callable[[str], None]) -> None:
    """Take down the classes whose time is over. After a reboot of the host no keeper is left to do it."""
    for record in over(time.time()):
        say(f"the time of {record.name} is over")
        class_down(record, say)
