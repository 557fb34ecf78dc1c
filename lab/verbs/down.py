"""Takes a lab away: everything that carries its label, and its marked rules in the Docker host's packet filter."""

from __future__ import annotations

from lab.stack import lab_records
from lab.stack.docker_command import remove_for_good, remove_labelled
from lab.stack.docker_user_rules import take_rules_away


def lab_down(lab_id: str, *, cut_off: bool = False) -> None:
    """Remove everything that a lab made, found by its label, also where its record is gone. One that never became ready
    may have been cut off: what it asked of the engine may still be on its way."""
    known = lab_records.load(lab_id)
    take_rules_away(lab_id, known)      # while its networks still say which addresses are its own
    if cut_off or known is None or not known.ready:
        remove_for_good(lab_id)
        take_rules_away(lab_id, known)
    else:
        remove_labelled(lab_id)
    lab_records.forget(lab_id)
