"""What a unit's files say that it requires."""

from __future__ import annotations

from fixer.analysis.evidence import place
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service, Snapshot

_REQUIRES = regex(r"^[ \t]*(?:Requires|BindsTo|Requisite)[ \t]*=(?P<names>[^\n#]*)$")
_PULLS = regex(r"^[ \t]*(?:Requires|BindsTo|Requisite|Wants)[ \t]*=(?P<names>[^\n#]*)$")


def required_by(snapshot: Snapshot, service: Service, *, wanted: bool = False) -> dict[str, Evidence]:
    """name -> the line of the unit's files that requires it (or, where told so, wants it); short names are services."""
    unit, pattern = service.unit, _PULLS if wanted else _REQUIRES
    found: dict[str, Evidence] = {}
    for path in (unit.fragment_path, *unit.drop_in_paths) if unit is not None else ():
        file = snapshot.file(service.node, path)
        for number, text in enumerate(file.data.decode("utf-8", "replace").split("\n") if file is not None else (), 1):
            match = pattern.match(text)
            for name in match["names"].split() if match is not None else ():
                evidence = Evidence("file", place(snapshot, service.node, path, number), text.strip())
                found.setdefault(name if "." in name else f"{name}.service", evidence)
    return found
