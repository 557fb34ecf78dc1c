"""Where a service's variables are set, where a new one can be added, and evidence that quotes its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixer.formats.numbers import is_number
from fixer.formats.server_bindings import arguments_of_variable
from fixer.formats.shell_words import Word
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Evidence, Fact, Known
from fixer.model.snapshot import Binding, CommandArgument, EnvAssignment, EnvSlot, UnitValue
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.view.node_view import View
from fixer.redaction.secrets import redact_text

with lazy_imports():  # not needed in most looks
    from fixer.formats.env_file import append_offset, exported_names

_SECRET_KEYS = frozenset({"Environment", "SetCredential", "SetCredentialEncrypted"})


def env_assignments(env: Mapping[str, Word], fallback: str) -> tuple[EnvAssignment, ...]:
    """Return every variable by name and position; its value never leaves this function."""
    found = []
    for name, word in env.items():
        place = word.to_argument()
        where = f"{place.file}:{place.line}" if place.file else fallback
        found.append(EnvAssignment(name, where, not word.text, word.exported))
    return tuple(found)


def variable_arguments(runtime: str, env: Mapping[str, Word]) -> tuple[CommandArgument, ...]:
    """Return the arguments that the server reads from a variable, with their positions."""
    return tuple(word.to_argument() for word in arguments_of_variable(runtime, env))


def absent_env_files(told: ServiceCommand, view: View) -> tuple[str, ...]:
    """Return the files of its variables that do not exist: a test of the script, or a `-`, lets the start go on."""
    answers = ((path, view.files.get(path)) for path in dict.fromkeys(told.env_files))
    return tuple(path for path, file in answers if file is not None and file.status == "absent")


def missing_file(told: ServiceCommand, view: View) -> str:
    """Return the first file without which its scripts end, and that does not exist; empty if all are there."""
    answers = ((path, view.files.get(path)) for path in told.required_files)
    return next((path for path, file in answers if file is not None and file.status == "absent"), "")


def unit_values_of(told: ServiceCommand) -> tuple[UnitValue, ...]:
    """Return the `[Service]` values of the unit's files in their order of precedence, without variable values."""
    return tuple(
        UnitValue(line.key, line.value, line.file, line.line, line.start, line.start + len(line.value))
        for line in told.lines if line.section == "Service" and line.key not in _SECRET_KEYS
    )


def slots_of_unit(told: ServiceCommand, view: View) -> tuple[EnvSlot, ...]:
    """Return existing environment files, then drop-ins and units that already set variables, then the unit itself."""
    return tuple(_unit_env_slots(told, view))


def _unit_env_slots(told: ServiceCommand, view: View) -> Iterator[EnvSlot]:
    for path in told.env_files:
        data = view.data(path)
        if data is not None:
            yield sourced_file_slot(view.name, path, data, told.env)
    by_file: dict[str, int] = {}
    for line in told.lines:
        if line.section == "Service" and line.key == "Environment":
            by_file[line.file] = line.start + len(line.value)
    for path in reversed(told.unit_files):
        if path in by_file:
            yield EnvSlot(view.name, path, by_file[path], "\nEnvironment={name}={value}", "unit")
    fragment = told.unit_files[0] if told.unit_files else ""
    service = (view.data(fragment) or b"").find(b"[Service]")
    if fragment not in by_file and service >= 0:
        yield EnvSlot(view.name, fragment, service + len(b"[Service]"), "\nEnvironment={name}={value}", "unit")


def sourced_file_slot(node: str, path: str, data: bytes, env: Mapping[str, Word]) -> EnvSlot:
    """Return the end of a file of variables. A new one says `export` if those of the file do, or would have to."""
    slot = env_file_slot(node, path, data)
    own = {name: word for name, word in env.items() if any(piece.file == path for piece in word.pieces)}
    if not own:
        return slot
    says_export = exported_names(data)
    if all(word.exported and not says_export(name) for name, word in own.items()):
        return slot
    return replace(slot, template=slot.template.replace("{name}", "export {name}", 1), style="shell")


def env_file_slot(node: str, path: str, data: bytes) -> EnvSlot:
    """Return the end of a file of NAME=VALUE lines, or the offset before an unterminated value there."""
    at = append_offset(data.decode("latin-1"))
    if at < len(data):
        return EnvSlot(node, path, at, "{name}={value}\n", "env-file")
    before = "" if not data or data.endswith(b"\n") else "\n"
    return EnvSlot(node, path, len(data), before + "{name}={value}\n", "env-file")


MAX_QUOTE_LENGTH = 200


def quoted_evidence(said: Evidence, view: View | None) -> Evidence:
    """Return the evidence with the text of its line, secrets redacted, if that file was read."""
    path, _, number = said.where.rpartition(":")
    data = view.data(path) if view is not None and is_number(number) else None
    lines = data.split(b"\n") if data is not None else []
    if not is_number(number) or not 0 < int(number) <= len(lines):
        return said
    line = lines[int(number) - 1].decode("utf-8", "replace").strip()
    return replace(said, text=redact_text(line)[:MAX_QUOTE_LENGTH]) if line else said


def quoted_bindings(bindings: Fact[tuple[Binding, ...]], view: View | None) -> Fact[tuple[Binding, ...]]:
    """Return the bindings with quoted lines in their sources."""
    if not isinstance(bindings, Known):
        return bindings
    return Known(tuple(replace(b, source=quoted_evidence(b.source, view)) for b in bindings.value), bindings.evidence)


def quoted_count(count: Fact[int], view: View | None) -> Fact[int]:
    """Return the number with quoted lines in its evidence."""
    return Known(count.value, tuple(quoted_evidence(e, view) for e in count.evidence)) if isinstance(count,
                                                                                                     Known) else count
