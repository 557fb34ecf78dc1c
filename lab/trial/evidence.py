"""Whether evidence points at what is really there: files and lines that hold the quoted text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lab.scenario.scenario_file import Role
from lab.stack.disk import read_file
from lab.stack.running_lab import Lab

_PLACE = re.compile(r"(?:(?P<node>[\w.-]+):)?(?P<path>/[^:\0]+):(?P<line>\d+)")


def unreal(lab: Lab, evidence: Iterable[Mapping[str, str]]) -> list[str]:
    """What is wrong with the evidence of a finding."""
    entries = list(evidence)
    if not entries:
        return ["no evidence"]
    problems = [f"evidence of {entry['source']} says nothing" for entry in entries
                if not entry["where"].strip() or not entry["text"].strip()]
    return problems + [problem for entry in entries if (problem := _check_line(lab, entry))]


def _check_line(lab: Lab, entry: Mapping[str, str]) -> str:
    """A quoted line of a configuration file must stand where it is said to."""
    place = _PLACE.fullmatch(entry["where"]) if entry["source"] in ("nginx-config", "file") else None
    if place is None:
        return ""
    data = _read(lab, place["path"])
    if data is None:
        return f"evidence names {place['path']}, which is not there"
    lines = data.decode("utf-8", "replace").splitlines()
    number = int(place["line"])
    quoted = re.sub(r"\s+", " ", entry["text"].strip()).rstrip(";")
    near = re.sub(r"\s+", " ", " ".join(lines[number - 1 : number + 4]))
    # A value may be masked where it is a secret: what stands before the mask is compared.
    visible = re.split(r"\*\*\*|•|<redacted>|\[redacted\]|…", quoted)[0].strip()
    return "" if visible in near else f"{entry['where']} does not hold {entry['text']!r}"


def _read(lab: Lab, path: str) -> bytes | None:
    """A file by the path that fixer gave: on this machine, in the machine, or in nginx's container."""
    if path.startswith(f"{lab.folder}/"):
        local = lab.folder / path.removeprefix(f"{lab.folder}/")
        return local.read_bytes() if local.is_file() else None
    roles: tuple[Role, ...] = ("web",) if lab.stack == "host" else ("web", "backend")
    for role in roles:
        # A container that runs shows its /proc and /run too; one that ended shows its disk.
        shown = lab.run_in(role, ["cat", path], check=False)
        data = shown.out if shown.code == 0 else read_file(lab.container(role), path)
        if data is not None:
            return data
    return None
