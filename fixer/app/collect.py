"""collect: write the redacted evidence of an incident to one new file."""

from __future__ import annotations

import os
from pathlib import Path

from fixer.app.inspect_target import StateNotes, ignored_on, observe_options, open_named_target
from fixer.app.request import DiagnoseRequest
from fixer.errors import UsageError
from fixer.hosts.machine.look_budget import one_look
from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture
from fixer.observe.collect_capture import collect as observe
from fixer.observe.evidence_bundle import pack_bundle
from fixer.render.terminal_text import clean


def collect(word: str, looking: DiagnoseRequest, output: str) -> str:
    """Write the bundle and return a summary of its content. Never overwrite a file."""
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
    return _summary_text(capture, output, len(data))


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


def _summary_text(capture: Capture, output: str, size: int) -> str:
    lines = [f"{clean(output)}: {size // 1024 + 1} KiB, secrets redacted"]
    for node in capture.nodes:
        files = sum(len(answer.files) for answer in node.answers.values())
        lines.append(f"  {clean(node.name)}: {len(node.answers)} answers, {files} files")
    return "\n".join([*lines, f"Read it: fixer diagnose bundle:{clean(output)}"]) + "\n"
