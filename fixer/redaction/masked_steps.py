"""Steps as text, as a diff and as JSON, with secrets masked and control characters escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import assert_never

from fixer.lazy.lazy_imports import lazy_imports
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
    ServiceAction,
    SetBoolean,
    SignalProcess,
    StartNginx,
    Step,
    UnitAction,
    WaitForListener,
    WriteFile,
)
from fixer.redaction.all_files import redact_file
from fixer.redaction.known_names import words_of_steps
from fixer.redaction.log_lines import mask_said
from fixer.redaction.masks import Masks
from fixer.redaction.secrets import printable, redact_blocks, redact_text

with lazy_imports():
    import dataclasses
    import difflib  # only if something is changed

__all__ = ["describe_step", "diff_of", "is_reversible", "step_from_json", "step_to_json"]


_MACHINES = ("local", "engine")      # what is there needs no name


def describe_step(step: Step, masks: Masks | None = None) -> str:
    """Return one imperative line; it says so if the step cannot be undone."""
    mask = step.mask if isinstance(step, WriteFile) else ()
    text = mask_said(mask_text(_step_text(step), mask), masks or Masks(known=words_of_steps((step,))))
    return printable(text if is_reversible(step) else f"{text}: cannot be undone")


def is_reversible(step: Step) -> bool:
    """Return False for what no undo restores: a process that was ended."""
    return not (isinstance(step, SignalProcess) and step.signal != "CONT")


def _step_text(step: Step) -> str:
    match step:
        case WriteFile():
            return _file_text(step)
        case CheckNginx():
            return "check the configuration (nginx -t)"
        case ReloadNginx():
            return "reload nginx (nginx -t first)"
        case DaemonReload():
            return "let systemd read its unit files again (systemctl daemon-reload)"
        case UnitAction() | ProgramAction() | ServiceAction():
            return _manager_text(step)
        case ContainerAction():
            return f"{step.verb} container {step.name}" + _detail_text(step.describe)
        case ComposeUp():
            command = "docker compose up -d --no-deps --no-build --pull never"
            return f"bring service {step.service} of project {step.project} up ({command})"
        case SignalProcess():
            verb = {"TERM": "stop", "KILL": "kill", "CONT": "resume"}[step.signal]
            return f"{verb} process {step.pid}" + _detail_text(step.describe)
        case StartNginx():
            return f"start {step.binary}" + (f" -c {step.conf_path}" if step.explicit else "")
        case NetworkAction() | ChangeRule() | SetBoolean() | RemoveRoute():
            return _network_text(step)
        case WaitForListener():
            address = _address_text(step) + _place_text(step)
            return f"wait until {address} accepts connections (at most {step.seconds:g} s)"
        case _:
            assert_never(step)


def _file_text(step: WriteFile) -> str:
    path = step.display_path or step.path
    if step.link_target is not None:
        return f"remove the link {path}" if step.after is None else f"link {path} to {step.link_target}"
    if step.after is None:
        return f"delete {path}"
    if step.before is None:
        return f"create {path}"
    if step.before == step.after and step.meta is not None:
        return f"set mode {step.meta.mode & 0o7777:04o} and owner {step.meta.uid}:{step.meta.gid} on {path}"
    return f"edit {path}"


def _manager_text(step: UnitAction | ProgramAction | ServiceAction) -> str:
    if isinstance(step, UnitAction):
        return _unit_text(step)
    if isinstance(step, ProgramAction):
        return _program_text(step)
    pid = f"process {step.main_pid}" if step.main_pid and step.verb != "start" else ""
    detail = _detail_text(", ".join(part for part in (pid, step.describe) if part))
    return f"{step.verb} {step.service} ({step.manager})" + detail


def _unit_text(step: UnitAction) -> str:
    if step.verb == "reset-failed":
        mark = "; an undo does not bring that mark back"
        return f"clear the failures of {step.unit} (systemctl reset-failed{mark})" + _detail_text(step.describe)
    verb = {"enable": "enable at boot", "disable": "disable at boot"}.get(step.verb, step.verb)
    pid = f"main process {step.main_pid}" if step.main_pid and step.verb in ("stop", "restart") else ""
    shares = "it reads the same file" if step.along else ""
    return f"{verb} {step.unit}" + _detail_text(", ".join(part for part in (shares, pid, step.describe) if part))


def _network_text(step: NetworkAction | ChangeRule | SetBoolean | RemoveRoute) -> str:
    if isinstance(step, RemoveRoute):
        where = f" of container {step.container}" if step.container else ""
        return f"delete the {step.way} route to {step.prefix}{where}"
    if isinstance(step, SetBoolean):
        return f"turn the SELinux boolean {step.name} {'on' if step.value else 'off'} (setsebool -P)"
    if isinstance(step, NetworkAction):
        names = f" as {', '.join(step.aliases)}" if step.aliases and step.verb == "connect" else ""
        chosen = f" at {', '.join(step.addresses)}" if step.addresses and step.verb == "connect" else ""
        way = "to" if step.verb == "connect" else "from"
        return f"{step.verb} container {step.name} {way} network {step.network}{names}{chosen}"
    family = f"{step.family} " if step.tool == "nft" else ""
    verb, place = ("delete", "from") if step.action == "remove" else ("insert", "into")
    whose = f" of container {step.container}" if step.container else ""
    return f"{verb} rule {step.index + 1} {place} {step.tool} {family}{step.table} {step.chain}{whose}: {step.rule}"


def _program_text(step: ProgramAction) -> str:
    pid = f"process {step.main_pid}" if step.main_pid and step.verb != "start" else ""
    detail = _detail_text(", ".join(part for part in (pid, step.describe) if part))
    if step.verb == "update":
        return f"let supervisord read its files again and run {step.group} with them (supervisorctl update)" + detail
    return f"{step.verb} {step.program} (supervisorctl)" + detail


def _detail_text(text: str) -> str:
    return f" ({text})" if text else ""


def _place_text(step: WaitForListener) -> str:
    """Return where that address is: 127.0.0.1 of a container is not that of the machine, which runs the units."""
    if step.node in _MACHINES or step.unit:
        return ""
    return f" in container {step.container}" if step.container else f" of {step.node}"


def _address_text(step: WaitForListener) -> str:
    if step.unix is not None:
        return step.unix
    return f"[{step.host}]:{step.port}" if ":" in step.host else f"{step.host}:{step.port}"


def diff_of(steps: Iterable[Step], masks: Masks | None = None) -> str:
    """Return the unified diff of all files that the steps change: real paths, secrets masked, controls escaped."""
    steps = tuple(steps)
    masks = masks or Masks(known=words_of_steps(steps))
    lines = [line for step in steps if isinstance(step, WriteFile) for line in _file_diff(step, masks)]
    return "\n".join(lines) + "\n" if lines else ""


def _file_diff(step: WriteFile, masks: Masks) -> Iterator[str]:
    path = printable(step.display_path or step.path)
    old = path if step.before is not None else "/dev/null"
    new = path if step.after is not None else "/dev/null"
    if step.link_target is not None:
        yield from _link_diff(step, path)
        return
    before, after = (_masked_lines(step, data, masks) for data in (step.before, step.after))
    hunks = list(difflib.unified_diff(_raw_lines(step.before), _raw_lines(step.after), lineterm=""))[2:]
    yield f"--- {old}"
    yield f"+++ {new}"
    if step.meta is not None and (step.before is None or step.before == step.after):
        yield f"# mode {step.meta.mode & 0o7777:04o}, owner {step.meta.uid}:{step.meta.gid}"
    yield from _masked_hunks(hunks, before, after)


def _link_diff(step: WriteFile, path: str) -> Iterator[str]:
    removed = step.after is None
    yield f"--- {path if removed else '/dev/null'}"
    yield f"+++ {'/dev/null' if removed else path}"
    yield f"{'-' if removed else '+'}link to {printable(step.link_target or '')}"


def _masked_hunks(hunks: list[str], before: list[str], after: list[str]) -> Iterator[str]:
    """Yield the hunks with each raw line replaced by its masked one: compared raw, shown masked."""
    old = new = 0
    for hunk in hunks:
        if hunk.startswith("@@"):
            yield hunk
            old, new = _hunk_starts(hunk)
            continue
        source, at = (before, old) if hunk[0] == "-" else (after, new)
        yield hunk[0] + printable(redact_text(source[at]))  # only the shown lines, of a file of any length
        if hunk.endswith(_NO_NEWLINE):
            yield "\\ No newline at end of file"
        old += hunk[0] != "+"
        new += hunk[0] != "-"


def _hunk_starts(hunk: str) -> tuple[int, int]:
    starts = []
    for part in hunk.split()[1:3]:
        first, _, length = part[1:].partition(",")
        starts.append(int(first) - (length != "0"))
    return starts[0], starts[1]


_NO_NEWLINE = "\0"  # marks a last line without newline, so that it differs from one that has it


def _raw_lines(data: bytes | None) -> list[str]:
    """Return the raw lines as text that compares exactly."""
    lines = (data or b"").decode("utf-8", "surrogateescape").split("\n")
    last = lines.pop()
    return [*lines, last + _NO_NEWLINE] if last else lines


def _masked_lines(step: WriteFile, data: bytes | None, masks: Masks) -> list[str]:
    """Return as many lines, masked by file kind and across lines; the caller still masks each line."""
    raw = masks.again((data or b"").decode("latin-1")).encode("latin-1")
    masked = redact_file(step.path, raw, masks)
    if masked.count(b"\n") != (data or b"").count(b"\n"):
        masked = data or b""  # a multi-line value: masked as text below
    text = redact_blocks(mask_text(masked.decode("utf-8", "surrogateescape"), step.mask))
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


# Steps as JSON for the journal: every field except the bytes of files and secrets.
_KINDS: Mapping[str, type[Step]] = {
    kind.__name__: kind
    for kind in (WriteFile, CheckNginx, ReloadNginx, DaemonReload, UnitAction, ContainerAction, ComposeUp,
                 SignalProcess, StartNginx, WaitForListener, ChangeRule, NetworkAction, SetBoolean,
                 RemoveRoute, ProgramAction, ServiceAction)
}
# bytes of files; the journal's pre, post and blob replace them
_BYTE_FIELDS = frozenset({"before", "after", "mask"})
_TUPLE_FIELDS = frozenset({"create_dirs", "config_files", "environment_files", "before", "aliases", "addresses"})
_META_FIELDS = frozenset({"meta", "expect_meta"})


def step_to_json(step: Step) -> str:
    """Return one line of ASCII: the kind and its fields; no file content, no secret."""
    fields: dict[str, object] = {"kind": type(step).__name__}
    never = frozenset[str]() if isinstance(step, ChangeRule) else _BYTE_FIELDS
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
    """Parse a step; a WriteFile has no bytes (`before`, `after` None). ValueError if it is none."""
    fields = json.loads(text)
    if not isinstance(fields, dict) or fields.get("kind") not in _KINDS:
        raise ValueError("not a step of a plan")
    kind = _KINDS[str(fields.pop("kind"))]
    known = {field.name for field in dataclasses.fields(kind)}
    values: dict[str, object] = {"before": None, "after": None} if kind is WriteFile else {}
    for name, value in fields.items():
        if name in known:  # a field of a newer version must not prevent an undo
            values[name] = _parse_field(name, value)
    try:
        return kind(**values)  # type: ignore[arg-type]
    except TypeError as missing:
        raise ValueError(str(missing)) from missing


def _parse_field(name: str, value: object) -> object:
    if name in _META_FIELDS and isinstance(value, dict):
        return FileMeta(**{**value, "acl": bytes.fromhex(value.get("acl", ""))})
    if name in _TUPLE_FIELDS and isinstance(value, list):
        return tuple(value)
    return value


def mask_text(text: str, mask: tuple[bytes, ...]) -> str:
    """Return the text (decoded with surrogateescape) with each of the byte strings masked."""
    for secret in sorted({line for value in mask for line in value.splitlines() if line}, key=len, reverse=True):
        text = text.replace(secret.decode("utf-8", "surrogateescape"), "[redacted: secret]")
    return text
