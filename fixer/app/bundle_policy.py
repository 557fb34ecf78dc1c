"""Ignored findings and repair policy of the machine on which a collect script ran."""

from __future__ import annotations

import stat

from fixer.app.ignore_list import parse_ignore_list
from fixer.errors import NeedsPerson
from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture
from fixer.model.diagnosis import IgnoredFinding
from fixer.model.query import Answer, FileAnswer
from fixer.observe.script_bundle import OPERATOR_FILES
from fixer.policy import parse_rules

_IGNORE_LIST_QUERY, _POLICY_QUERY = OPERATOR_FILES


def add_bundle_policy(capture: Capture) -> Capture:
    """Return a script's capture with the ignore list and policy lines of that machine; unusable files get a note."""
    accepted: tuple[IgnoredFinding, ...] = ()
    notes: tuple[str, ...] = ()
    for node in capture.nodes:
        listed = _present_file(node.answers.get(_IGNORE_LIST_QUERY))
        if listed is not None and listed.status == "ok":  # a user who cannot read the list has ignored nothing
            try:
                accepted += parse_ignore_list(listed.data)
            except ValueError:
                notes += (f"ignored findings of that machine are unknown: {listed.path} is not such a list",)
        if (policy := _present_file(node.answers.get(_POLICY_QUERY))) is not None:
            notes += (_policy_text(policy),)
    return replace(capture, accepted=accepted, said=notes)


def _present_file(answer: Answer | None) -> FileAnswer | None:
    found = answer.files[0] if answer is not None and answer.files else None
    return None if found is None or found.status == "absent" else found


def _policy_text(file: FileAnswer) -> str:
    """Return the rules in one line, as a diagnosis of that machine shows them."""
    info = file.stat
    if file.status != "ok" or info is None:
        return f"{file.path} could not be read: fixer repairs nothing there"
    if info.kind != "file" or info.uid != 0 or info.mode & stat.S_IWOTH:
        return f"{file.path} is not a file that only root can change: fixer repairs nothing there"
    try:
        return parse_rules(file.data, file.path).summary_text()
    except NeedsPerson as error:
        return f"{error.message}: {error.hint}"
