"""What a finding quotes of a file stands in the line that it names: looked up in the capture that was diagnosed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from fixer.model.capture import Capture
from fixer.model.diagnosis import Diagnosis, Found, RuledOut
from fixer.model.facts import Evidence

_PLACE = re.compile(r"(?:[^/:]*:)?(/.*):(\d+)")
_MARK = re.compile(r"\[masked(?: \d+)?\]")
# nginx says of a line what is wrong with it: its words, not the line's.
_SAID_OF_LINES = frozenset({"nginx-test"})


def files_in(capture: Capture) -> Mapping[str, Sequence[bytes]]:
    """Path -> every content that a node of the capture has there."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for node in capture.nodes:
        for answer in node.answers.values():
            for file in answer.files:
                if file.status == "ok":
                    found[file.path].append(file.data)
    return found


def all_evidence(diagnosis: Diagnosis) -> Iterator[Evidence]:
    for finding in diagnosis.findings:
        yield from finding.evidence
    for check in diagnosis.checks:
        if isinstance(check.verdict, RuledOut):
            yield from check.verdict.evidence
        elif isinstance(check.verdict, Found):
            for finding in check.verdict.findings:
                yield from finding.evidence


def stands_in(text: str, line: str) -> bool:
    """Whether the line holds the text. Blanks may differ, and either may be masked where the other is not."""
    quoted, whole = " ".join(text.split()), " ".join(line.split())
    pieces = [re.escape(piece) for piece in _MARK.split(quoted)]
    return re.search(".*".join(pieces), whole) is not None or _MARK.search(whole) is not None


def place_in(files: Mapping[str, Sequence[bytes]], shown: Evidence) -> re.Match[str] | None:
    """The path and the line that are named, if the text is quoted from there and the capture has the file."""
    place = _PLACE.fullmatch(shown.where)
    return place if place is not None and shown.source not in _SAID_OF_LINES and files.get(place[1]) else None


def misplaced(files: Mapping[str, Sequence[bytes]], shown: Evidence) -> str:
    """What stands in the line instead; empty if the text does, or nothing can be compared."""
    place = place_in(files, shown)
    if place is None:
        return ""
    texts = [data.decode("utf-8", "replace").split("\n") for data in files[place[1]]]
    lines = [text[int(place[2]) - 1] if 0 < int(place[2]) <= len(text) else "" for text in texts]
    return "" if any(stands_in(shown.text, line) for line in lines) else f"{shown.where}: {shown.text!r}, not {lines!r}"


def check_quotes(capture: Capture, diagnosis: Diagnosis) -> tuple[int, list[str]]:
    """How many quotes could be compared with the file, and each that does not stand in its line."""
    files = files_in(capture)
    shown = [each for each in dict.fromkeys(all_evidence(diagnosis)) if place_in(files, each)]
    return len(shown), [fault for each in shown if (fault := misplaced(files, each))]
