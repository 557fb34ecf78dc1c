"""Steps as JSON for the journal: every field except the bytes of files and what must never be shown."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fixer.model.plan import (
    ChangeRule,
    CheckNginx,
    ComposeUp,
    ContainerAction,
    DaemonReload,
    FileMeta,
    NetworkAction,
    ProgramAction,
    ReloadNginx,
    RemoveRoute,
    SetBoolean,
    SignalProcess,
    StartNginx,
    Step,
    UnitAction,
    WaitForListener,
    WriteFile,
)
from fixer.redaction.secrets import redact_text

_KINDS: Mapping[str, type[Step]] = {
    kind.__name__: kind
    for kind in (WriteFile, CheckNginx, ReloadNginx, DaemonReload, UnitAction, ContainerAction, ComposeUp,
                 SignalProcess, StartNginx, WaitForListener, ChangeRule, NetworkAction, SetBoolean,
                 RemoveRoute, ProgramAction)
}
_NEVER = frozenset({"before", "after", "mask"})      # bytes of files; the journal's pre, post and blob stand for them
_TUPLES = frozenset({"create_dirs", "config_files", "environment_files", "before", "aliases", "addresses"})
_METAS = frozenset({"meta", "expect_meta"})


def step_to_json(step: Step) -> str:
    """One line of ASCII: the kind and its fields; no byte of a file, no secret."""
    fields: dict[str, object] = {"kind": type(step).__name__}
    never = frozenset[str]() if isinstance(step, ChangeRule) else _NEVER
    import dataclasses  # only for the journal

    for field in dataclasses.fields(step):
        value = getattr(step, field.name)
        if field.name in never:
            continue
        if isinstance(value, FileMeta):
            fields[field.name] = {**dataclasses.asdict(value), "acl": value.acl.hex()}
        elif field.name in ("summary", "describe"):
            fields[field.name] = redact_text(mask_text(value, step.mask if isinstance(step, WriteFile) else ()))
        else:
            fields[field.name] = value
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def step_from_json(text: str) -> Step:
    """The step again; a WriteFile comes back without its bytes (`before`, `after` None). ValueError if it is none."""
    fields = json.loads(text)
    if not isinstance(fields, dict) or fields.get("kind") not in _KINDS:
        raise ValueError("not a step of a plan")
    kind = _KINDS[str(fields.pop("kind"))]
    import dataclasses

    known = {field.name for field in dataclasses.fields(kind)}
    values: dict[str, object] = {"before": None, "after": None} if kind is WriteFile else {}
    for name, value in fields.items():
        if name in known:      # a field of a newer version is no reason to refuse an undo
            values[name] = _revive(name, value)
    try:
        return kind(**values)  # type: ignore[arg-type]
    except TypeError as missing:
        raise ValueError(str(missing)) from missing


def _revive(name: str, value: object) -> object:
    if name in _METAS and isinstance(value, dict):
        return FileMeta(**{**value, "acl": bytes.fromhex(value.get("acl", ""))})
    if name in _TUPLES and isinstance(value, list):
        return tuple(value)
    return value


def mask_text(text: str, mask: tuple[bytes, ...]) -> str:
    """The text (decoded with surrogateescape) with each of the byte strings replaced."""
    for secret in sorted({line for value in mask for line in value.splitlines() if line}, key=len, reverse=True):
        text = text.replace(secret.decode("utf-8", "surrogateescape"), "[redacted: secret]")
    return text
