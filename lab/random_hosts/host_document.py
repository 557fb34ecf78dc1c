"""A random host as a document: `host.json` holds all that makes the host again, also one that no seed draws."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.errors import LabError, UsageError
from lab.random_hosts.draw_host import do_go_together
from lab.random_hosts.host_spec import HostSpec, composed_values
from lab.random_hosts.part_files import KIND, all_parts, base_part, digest_of_parts, fault_named, part_named, plain_part
from lab.random_hosts.truth import Truth

_NO_TRUTH = Truth()


def document_of(spec: HostSpec, truth: Truth = _NO_TRUTH) -> Mapping[str, Any]:
    """Return what the host is, what a rehearsal proved about it, and the command that makes it again."""
    return {"seed": spec.seed, "again": f"{spec.command} --keep", "parts": digest_of_parts(),
            "choices": dict(spec.choices), "drawn": dict(spec.drawn), "values": dict(spec.values), "faults": [
                {"name": one.name, "summary": one.summary, "causes": list(one.causes),
                 "outcomes": list(one.outcomes), "alone": truth.signatures.get(one.name, ""),
                 "shows": one.name in truth.showing} for one in spec.faults], "problem": truth.problem}


def write_host(path: Path, spec: HostSpec, truth: Truth = _NO_TRUTH) -> None:
    """Write the document."""
    path.write_text(json.dumps(document_of(spec, truth), indent=1), encoding="utf-8")


def read_host(path: Path) -> HostSpec:
    """Return the host of a document: its seed, choices, drawn names and faults count, the rest is told for people.
    Raise UsageError if these parts cannot make it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return host_of(document, path)
    except OSError as error:
        raise UsageError(f"--spec {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--spec {path}: this is no host.json of a random host ({type(error).__name__}: {error})",
                         "the folder of a host that was not passed holds one") from error
    except LabError as error:
        raise UsageError(f"--spec {path}: {error.message}", "it was made of other parts than these") from error


def host_of(document: Mapping[str, Any], path: Path) -> HostSpec:
    """Return the host of a document that was read from a path; raise LabError, KeyError or TypeError if it is none.
    An axis that came later than the document has its plain part."""
    choices, drawn = document["choices"], {str(key): str(value) for key, value in document["drawn"].items()}
    kind = part_named(KIND, choices[KIND])
    parts = (base_part(), *(part_named(axis, choices[axis]) if axis in choices else plain_part(axis, kind)
                            for axis in all_parts()))
    faults = tuple(fault_named(one["name"]) for one in document["faults"])
    spec = HostSpec(int(document["seed"]), parts, faults, composed_values(parts, drawn), drawn, str(path))
    if not do_go_together(spec):
        raise LabError("its parts and faults do not go together")
    return spec
