"""`lab down`: removal of all with a lab's label, its rules in the Docker host's packet filter, its journals."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Sequence

from lab.errors import UsageError
from lab.stack import lab_records
from lab.stack.docker_engine import remove_labelled, remove_repeatedly
from lab.stack.docker_host_rules import remove_rules
from lab.stack.find_lab import all_lab_ids, find_id, labs_with_only_rules
from lab.stack.fixer_command import journal_folders
from lab.stack.running_lab import SEAT_KEY, Lab
from lab.stack.seat import remove_cgroups


def take_down(words: Sequence[str], say: Callable[[str], None], *, everything: bool) -> None:
    """Remove the labs that the words name, or with `everything` all labs, and what is left of labs without a record.
    A word that names none raises UsageError before any of the others is removed; no word means the only lab."""
    if words and everything:
        raise UsageError("name labs, or --all, not both")
    named = (*all_lab_ids(), *labs_with_only_rules()) if everything else map(find_id, words or [""])
    for lab_id in dict.fromkeys(named):
        lab_down(lab_id)
        say(f"✔ {lab_id} removed")


def lab_down(lab_id: str, *, cut_off: bool = False) -> None:
    """Remove everything that a lab created, by its label, even without its record.
    The start of a lab that never became ready may have been interrupted: the engine may still execute its requests."""
    known = lab_records.load_record(lab_id)
    remove_rules(lab_id, known)  # before its networks, which show its addresses
    if cut_off or known is None or not known.ready:
        remove_repeatedly(lab_id)
        remove_rules(lab_id, known)
    else:
        remove_labelled(lab_id)
    if known is not None and known.extra.get(SEAT_KEY):
        remove_cgroups(Lab(known))
    lab_records.delete_lab_files(lab_id)
    for folder in journal_folders(lab_id):  # their target is gone: nothing can be undone any more
        shutil.rmtree(folder, ignore_errors=True)


def remove_interrupted_lab(lab_id: str) -> None:
    """Remove a lab after an interrupted start; ignore further interrupts."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        lab_down(lab_id)
    finally:
        signal.signal(signal.SIGINT, handler)
