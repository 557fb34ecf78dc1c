"""Removal of a lab: everything with its label, its marked rules in the Docker host's packet filter, its journals."""

from __future__ import annotations

import shutil

from lab.stack import lab_records
from lab.stack.docker_engine import remove_labelled, remove_repeatedly
from lab.stack.docker_user_rules import remove_rules
from lab.stack.fixer_command import journal_folders


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
    lab_records.delete_lab_files(lab_id)
    for folder in journal_folders(lab_id):  # their target is gone: nothing can be undone any more
        shutil.rmtree(folder, ignore_errors=True)
