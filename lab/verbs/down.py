"""Takes a lab away: everything that carries its label, and its marked rules in the Docker host's packet filter."""

from __future__ import annotations

from lab.stack import lab_records
from lab.stack.docker_command import remove_labelled, remove_repeatedly
from lab.stack.docker_user_rules import remove_rules


def lab_down(lab_id: str, *, cut_off: bool = False) -> None:
    """Remove everything that a lab made, found by its label, also where its record is gone. One that never became ready
    may have been cut off: what it asked of the engine may still be on its way."""
    known = lab_records.load_record(lab_id)
    remove_rules(lab_id, known)      # while its networks still say which addresses are its own
    if cut_off or known is None or not known.ready:
        remove_repeatedly(lab_id)
        remove_rules(lab_id, known)
    else:
        remove_labelled(lab_id)
    lab_records.delete_lab_files(lab_id)
