"""collect: write the redacted evidence of an incident to one new file."""

from __future__ import annotations

import os
from pathlib import Path

from fixer.app.inspect_target import StateNotes, ignored_on, observe_options, open_named_target
from fixer.app.request import DiagnoseRequest
from fixer.errors import UsageError
from fixer.hosts.machine.look_budget import one_look
from fixer.lazy.dataclass import replace
from fixer.model.report import SCHEMA_VERSION, CollectedNode, CollectReport
from fixer.observe.collect_capture import collect as observe
from fixer.observe.evidence_bundle import pack_bundle


def collect(word: str, looking: DiagnoseRequest, output: str) -> CollectReport:
    """Write the bundle and return what it holds. Never overwrite a file."""
    path = Path(output)
    if path.exists() or path.is_symlink():
        raise UsageError(f"{output} exists already", "name a new file: fixer never overwrites one")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"the folder of {output} does not exist", "create the folder, or name another file")
    with open_named_target(word) as target, one_look():
        state = StateNotes(target)
        capture = observe(target, replace(observe_options(looking, target.ref), quiet=state.quiet()))
        if target.ref.kind != "bundle":
            capture = replace(capture, accepted=ignored_on(target.ref), said=state.read())
    data = pack_bundle(capture)
    _write(path, data)
    nodes = tuple(CollectedNode(node.name, len(node.answers), sum(len(each.files) for each in node.answers.values()))
                  for node in capture.nodes)
    return CollectReport(SCHEMA_VERSION, str(target.ref), output, len(data), nodes)


def _write(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read (mode 0600)."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists already", "name a new file: fixer never overwrites one") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
