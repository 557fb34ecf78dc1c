"""Writing a variable where a service already reads its environment, quoted for that kind of file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from fixer.analysis.evidence import container_of
from fixer.formats.numbers import is_number
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.plan import DaemonReload, FileMeta, Step, WriteFile
from fixer.model.snapshot import EnvSlot, FileContent, Service, Snapshot
from fixer.redaction.secrets import is_secret_name
from fixer.repairs.file_edits import NotEditable, locate_editable_file

VARIABLES_DROP_IN = "50-badgateway.conf"
_MAX_Z_PREFIX = 9
_UNQUOTED = regex(r"[A-Za-z0-9_@%+:,./-]+")
_COMMENT = regex(r"\s[;#]")
_STYLE_OF_LINE = (
    (regex(r"^(?P<head>\s*-\s*)(?P<q>[\"']?)(?P<name>[A-Za-z_]\w*)="), "yaml-list"),
    (regex(r"^(?P<head>\s*)(?P<q>[\"']?)(?P<name>[A-Za-z_]\w*)(?P=q)\s*:"), "yaml-map"),
    (regex(r"^(?P<head>\s*(?:export\s+)?)(?P<name>[A-Za-z_]\w*)="), "env-file"),
)


@dataclass(frozen=True, slots=True)
class EditSteps:
    """The steps that write, and the file, for people."""

    steps: tuple[Step, ...]
    where: str
    managed_by: str = ""


def write_variables(
    snapshot: Snapshot, service: Service, values: Mapping[str, str], *, replace: bool = False,
) -> EditSteps | NotEditable:
    """Return a write of all variables to one file: over an empty value, else the service's own file, else a drop-in.

    `replace` also writes over a value that is not empty.
    """
    over = _overwrite_value(snapshot, service, values, replace)
    if over is not None:
        return over
    known = set(values).intersection(service.container.env_names) if replace and service.container is not None else ()
    for slot in service.env_slots:
        if known and slot.style == "yaml-map":     # Compose refuses a key that stands twice; of a list the last wins
            return NotEditable(f"{slot.file} sets {', '.join(known)} in a way that fixer does not rewrite")
        if slot.only_for and not set(values) <= set(slot.only_for):
            continue          # compose reads it for these variables only: another one would have no effect there
        if slot.style == "supervisor" and not all(map(_is_quotable_in_supervisor, values.values())):
            return NotEditable(f"{slot.file} cannot contain this value: supervisord cannot escape its quotes")
        if slot.style != "unit":
            return _write_into_slot(snapshot, slot, values)
    if service.unit is not None:
        return _write_drop_in(snapshot, service, _environment_lines(values), values)
    todo = manager_of(service).environment_text()
    return NotEditable(f"{service.name} reads its environment from no editable file: {todo}")


def write_drop_in(
    snapshot: Snapshot, service: Service, lines: str, name: str = VARIABLES_DROP_IN, *, section: str = "Service",
) -> EditSteps | NotEditable:
    """Return steps that write settings of one section to a drop-in of the unit."""
    return _write_drop_in(snapshot, service, lines, {}, name=name, section=section)


def quote_value(value: str, style: str) -> str:
    """Return the value, quoted for that kind of file."""
    match style:
        case "unit":
            return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        case "yaml-map" | "yaml-list":
            inner = value.replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"')
            return f'"{inner}"'
        case "supervisor":
            inner = value.replace("%", "%%")
            return f"'{inner}'" if '"' in inner else f'"{inner}"'
        case "shell":
            return "'" + value.replace("'", "'\\''") + "'"
        case _:
            if _UNQUOTED.fullmatch(value):
                return value
            if "'" not in value:
                return f"'{value}'"
            special = r'([\\"$])' if style == "dotenv" else r'([\\"$`])'
            return '"' + re.sub(special, r"\\\1", value) + '"'


def fill_template(template: str, name: str, value: str, style: str) -> str:
    """Return a template with name and value. In a YAML list the quotes enclose the complete item."""
    quoted = quote_value(value, style)
    if style == "yaml-list":
        inner = quoted[1:-1]
        for item in ('"{name}={value}"', "'{name}={value}'", "{name}={value}"):
            if item in template:
                return template.replace(item, f'"{name}={inner}"')
    for marked in ('"{value}"', "'{value}'"):
        template = template.replace(marked, "{value}")
    return template.replace("{name}", name).replace("{value}", quoted)


def _write_into_slot(snapshot: Snapshot, slot: EnvSlot, values: Mapping[str, str]) -> EditSteps | NotEditable:
    file = snapshot.file(slot.node, slot.file)
    if file is None:
        return NotEditable(f"{slot.file} could not be read")
    text = _slot_text(slot, values)
    head, tail = file.data[: slot.offset], file.data[slot.offset:]
    inline = "\n" not in slot.template
    if head and not head.endswith(b"\n") and not text.startswith("\n") and not inline:
        text = "\n" + text
    if not inline and not text.endswith("\n") and (not tail or not tail.startswith(b"\n")):
        text += "\n"
    return _make_edit_steps(snapshot, file, head + text.encode() + tail, values, slot.style)


def _slot_text(slot: EnvSlot, values: Mapping[str, str]) -> str:
    """Return the text to insert; in a new setting, the second value follows the first."""
    if slot.style == "supervisor" and slot.template.startswith("\n"):
        pairs = ",".join(f"{name}={quote_value(value, slot.style)}" for name, value in values.items())
        return slot.template.partition("{name}")[0] + pairs
    return "".join(fill_template(slot.template, name, value, slot.style) for name, value in values.items())


def _is_quotable_in_supervisor(value: str) -> bool:
    """Return whether supervisord can read the value: it knows no escapes, and `;` or `#` after a blank is a comment."""
    quotes = {'"', "'"} & set(value)
    ends = value[:1] in ("'", '"') or value[-1:] in ("'", '"')
    return len(quotes) < 2 and not ends and not _COMMENT.search(value)


def _overwrite_value(
    snapshot: Snapshot, service: Service, values: Mapping[str, str], replace: bool,
) -> EditSteps | NotEditable | None:
    """Return a replacement of the old value in its file: an assignment elsewhere might not win over it."""
    if len(values) != 1:
        return None
    (name, value), = values.items()
    for assignment in service.env:
        if assignment.name != name or not (assignment.empty or replace):
            continue
        path, _, line = assignment.defined_in.rpartition(":")
        node = service.files_node or service.node
        file = snapshot.file(node, path.removeprefix(f"{node}:"))
        if file is None or not is_number(line) or not 0 < int(line) <= file.data.count(b"\n") + 1:
            continue
        lines = file.data.split(b"\n")
        changed = _replaced_line(lines[int(line) - 1].decode("utf-8", "surrogateescape"), name, value, service)
        if changed is not None:
            lines[int(line) - 1] = changed[0].encode("utf-8", "surrogateescape")
            return _make_edit_steps(snapshot, file, b"\n".join(lines), values, changed[1])
    return None


def _replaced_line(line: str, name: str, value: str, service: Service) -> tuple[str, str] | None:
    for pattern, of_line in _STYLE_OF_LINE:
        style = "dotenv" if of_line == "env-file" and service.container is not None else of_line
        match = pattern.match(line)
        if match is not None and match["name"] == name:
            template = {"yaml-map": "{name}: {value}"}.get(style, "{name}={value}")
            return match["head"] + fill_template(template, name, value, style), style
    return None


def _make_edit_steps(snapshot: Snapshot, file: FileContent, data: bytes, values: Mapping[str, str],
                     style: str) -> EditSteps | NotEditable:
    place = locate_editable_file(snapshot, file.node, file.path)
    if isinstance(place, NotEditable):
        box = container_of(snapshot, file.node)
        into = f"the environment of service {box.service} in its compose file" if box is not None and box.service else (
            "the environment that its container is created with")
        return NotEditable(f"{place.reason}. Or set {', '.join(values)} in {into}: what the container starts gets it")
    step = WriteFile(
        place.node, place.path, file.data, data, f"set {', '.join(values)}", in_place=place.in_place,
        mask=secrets_to_mask(values, style),
    )
    return EditSteps((step,), place.display_path, place.managed_by)


def _environment_lines(values: Mapping[str, str]) -> str:
    return "".join(f'Environment="{name}={quote_value(value, "unit")}"\n' for name, value in values.items())


def _write_drop_in(
    snapshot: Snapshot, service: Service, lines: str, values: Mapping[str, str], *, name: str = VARIABLES_DROP_IN,
    section: str = "Service",
) -> EditSteps | NotEditable:
    assert service.unit is not None
    folder = f"/etc/systemd/system/{service.unit.name}.d"
    last = _last_read_name(service.unit.drop_in_paths, name)
    if last is None:
        return NotEditable(f"a file of {folder} is read after any file that fixer could add, and overrides it")
    path = f"{folder}/{last}"
    old = snapshot.file(service.node, path)
    if old is not None:
        between = b"" if old.data.endswith(b"\n") or not old.data else b"\n"
        data = old.data + between + f"[{section}]\n{lines}".encode()
        step = WriteFile(service.node, old.real_path, old.data, data, "add to the unit's settings",
                         mask=secrets_to_mask(values, "unit"))
        return EditSteps((step, DaemonReload(service.node)), path, old.managed_by)
    if path in service.unit.drop_in_paths:
        return NotEditable(f"{path} could not be read")
    secret = any(is_secret_name(key) for key in values)
    step = WriteFile(
        service.node, path, None, f"[{section}]\n{lines}".encode(), f"settings for {service.unit.name}",
        meta=FileMeta(0o600 if secret else 0o644, 0, 0), mask=secrets_to_mask(values, "unit"), create_dirs=(folder,),
    )
    return EditSteps((step, DaemonReload(service.node)), path)


def _last_read_name(paths: Sequence[str], name: str) -> str | None:
    """Return a name that systemd reads after all present drop-ins, since the last one wins; None if there is none."""
    others = [posixpath.basename(path) for path in paths if not path.endswith(f"-{name}")]
    names = (name, *(f"{'z' * count}-{name}" for count in range(2, _MAX_Z_PREFIX)))      # `zz.conf` comes after `zz-…`
    return next((ours for ours in names if all(other <= ours for other in others)), None)


def secrets_to_mask(values: Mapping[str, str], style: str) -> tuple[bytes, ...]:
    """Return what no display may show: secret values, raw and as they are written."""
    hidden: list[bytes] = []
    for name, value in values.items():
        if is_secret_name(name) and value:
            quoted = quote_value(value, style)
            hidden += [text.encode() for text in (quoted, quoted.strip("\"'"), value)]
    return tuple(dict.fromkeys(hidden))


def is_variable_set(service: Service, name: str) -> bool:
    """Return whether the program gets the variable; the case of letters may differ (settings classes)."""
    return any(a.name.upper() == name.upper() and not a.empty and a.exported for a in service.env)
