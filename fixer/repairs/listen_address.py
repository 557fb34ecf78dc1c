"""The configured listen address of a service: the argument of its command, and the edit of that argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fixer.analysis.case import Case
from fixer.analysis.evidence import bindings_of
from fixer.formats.addresses import ANY_IPV4, ANY_IPV6, is_host_name, is_own_host
from fixer.formats.application_servers import server_of
from fixer.formats.server_bindings import HostPlace, has_host_option, host_places
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Repair
from fixer.model.plan import DaemonReload, WaitForListener, WriteFile
from fixer.model.service import Binding
from fixer.model.snapshot import CommandArgument, Endpoint, Service, Snapshot
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.repairs.start_service import reachable_host, start_or_restart_steps
    from fixer.repairs.write_variables import EditSteps, write_variables

LISTEN_ID = "listen-where-nginx-asks"
_BEFORE_ADDRESS = b" \t\n'\"=(,/"


@dataclass(frozen=True, slots=True)
class _SpanEdit:
    """A byte span of a file, and its replacement. `is_variable`: it is the value of a variable of the command."""

    file: str
    start: int
    end: int
    old: str
    new: str
    is_variable: bool = False


def listen_address_repair(case: Case, service: Service, endpoint: Endpoint, host: str) -> Repair:
    """Return a repair that lets the service listen at `host`, by its own command, and starts or restarts it."""
    does = f"make {service.name} listen on {host}"
    written = _write_host(case.snapshot, service, endpoint, host)
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    if not isinstance(begin, NotEditable):      # these steps wait at the old address
        begin = tuple(replace(s, host=reachable_host(host)) if isinstance(s, WaitForListener) else s for s in begin)
    if isinstance(written, NotEditable) or isinstance(begin, NotEditable):
        why = written.reason if isinstance(written, NotEditable) else begin.reason if isinstance(begin,
                                                                                                 NotEditable) else ""
        where = next((f"{b.host_place.file}:{b.host_place.line}" if b.host_place is not None and b.host_place.file else
                      b.source.where for b in bindings_of(service)), service.name)
        manual = f"{does} (its command: {where}), then restart it; fixer cannot do this: {why}"
        return Repair(LISTEN_ID, "manual", does, (), manual=manual)
    if not begin:
        return Repair(LISTEN_ID, "manual", does, (), manual=f"{does} in {written.where}, then restart it by hand")
    summary = f"{does}, in {written.where}, then restart it"
    if written.managed_by:
        summary += f" ({written.managed_by} manages that file and will overwrite the edit)"
    return Repair(LISTEN_ID, "disruptive", summary, (*written.steps, *begin))


def listen_after_start_repair(service: Service, binding: Binding) -> Repair:
    """Return the repair for a person of a container's service that cannot start yet."""
    does = f"make {service.name} listen on every address of its container"
    manual = f"{does} (its command: {binding.source.where}), then restart it"
    return Repair(LISTEN_ID, "manual", does, (), manual=manual, after=service.name)


def _write_host(snapshot: Snapshot, service: Service, endpoint: Endpoint, host: str) -> EditSteps | NotEditable:
    if service.socket is not None:
        return NotEditable(f"{service.socket.name} opens its socket")
    spot = _configured_host_edit(snapshot, service, endpoint.port_on_node, host)
    spot = spot or _bound_host_edit(snapshot, service, endpoint.port_on_node, host)
    spot = spot or _added_host_edit(snapshot, service, host)
    if spot is None:
        return _write_variable(snapshot, service, _set_variable(service, host) or _unset_variable(service, host))
    node = service.files_node or service.node
    file = snapshot.file(node, spot.file)
    if file is None:
        return NotEditable(f"{spot.file} could not be read")
    other = _other_user(snapshot, service, spot)
    if other:
        return NotEditable(f"{other} takes its own address from that place too")
    if file.data[spot.start:spot.end] != spot.old.encode("utf-8", "surrogateescape"):
        return NotEditable(f"{spot.file} does not contain {spot.old} at the position that fixer read")
    unit = service.unit
    is_unit = unit is not None and spot.file in (unit.fragment_path, *unit.drop_in_paths)
    if is_unit and not spot.file.startswith("/etc/"):
        return NotEditable(f"{spot.file} belongs to a package: write the command into a drop-in")
    is_yaml = service.command_style.startswith("yaml") and not spot.is_variable
    new = _quote_for_yaml(file.data, spot) if is_yaml or spot.file.endswith((".yml", ".yaml")) else spot.new
    data = file.data[:spot.start] + new.encode() + file.data[spot.end:]
    step = WriteFile(node, file.real_path, file.data, data, f"listen on {host}", in_place=file.single_file_mount)
    steps = (step, DaemonReload(node)) if is_unit else (step,)
    return EditSteps(steps, file.real_path, file.managed_by)


def _quote_for_yaml(data: bytes, spot: _SpanEdit) -> str:
    """Return the host as YAML text. `::` without quotes would start a mapping: use quotes that the line does not use
    yet, or `::0`."""
    line = data[data.rfind(b"\n", 0, spot.start) + 1:].partition(b"\n")[0]
    quoted = data[spot.start - 1:spot.start] in (b"'", b'"') and data[spot.start - 1:spot.start] == data[
        spot.end:spot.end + 1]
    if quoted or not spot.new.endswith(ANY_IPV6):
        return spot.new
    free = next((quote for quote in "'\"" if quote.encode() not in line), None)
    before = spot.new.removesuffix(ANY_IPV6)
    return f"{before}{ANY_IPV6}0" if free is None else f"{before}{free}{ANY_IPV6}{free}"


def _configured_host_edit(snapshot: Snapshot, service: Service, port: int, host: str) -> _SpanEdit | None:
    """Return the edit of the argument after `--host`, or of the host in `--bind host:port`: that of the port, else the
    last one."""
    found = host_places([word.text for word in service.command], service.runtime)
    meant = [place for place in found if place.port == port] or found
    return _host_part_edit(snapshot, service, meant[-1], host) if meant else None


def _bound_host_edit(snapshot: Snapshot, service: Service, port: int, host: str) -> _SpanEdit | None:
    """Return the edit of a host in a variable of its own, or before the port in what is no option: the server's own
    file, a variable, `runserver HOST:PORT`."""
    told = [b for b in bindings_of(service) if b.unix is None]
    meant = [b for b in told if b.port == port] or told
    spots = (_variable_host_edit(b, host) or _host_before_port_edit(snapshot, service, b, host) for b in meant)
    return next((spot for spot in spots if spot is not None), None)


def _variable_host_edit(binding: Binding, host: str) -> _SpanEdit | None:
    """Return the edit of a host that stands apart from its port, each in a variable of its own."""
    place = binding.host_place
    if place is None or not place.file or place.start is None or place.end is None:
        return None
    return _SpanEdit(place.file, place.start, place.end, place.text, _joined_host(host), is_variable=True)


def _host_before_port_edit(snapshot: Snapshot, service: Service, binding: Binding, host: str) -> _SpanEdit | None:
    """Return the edit of the host that its file has right before the port: a part of a longer word stays."""
    file = snapshot.file(service.files_node or service.node, binding.file) if binding.file else None
    if file is None or binding.file is None or binding.start is None:
        return None
    for old in (binding.host, f"[{binding.host}]", *(("*", "") if binding.host == ANY_IPV4 else ())):
        end = binding.start - 1
        start = end - len(old)
        if start > 0 and file.data[start:end + 1] == f"{old}:".encode() and file.data[start - 1] in _BEFORE_ADDRESS:
            return _SpanEdit(binding.file, start, end, old, _joined_host(host), is_variable=True)
    return None


def _joined_host(host: str) -> str:
    """Return the host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def _set_variable(service: Service, host: str) -> dict[str, str]:
    """Return the variable of the server's host, and its value, where no option overrides it."""
    name = server_of(service.runtime).dialect.variables[0]
    is_set = any(a.name == name and not a.empty for a in service.env)
    told = next((b.host for b in bindings_of(service) if b.unix is None), host)
    is_other = told == host or (is_host_name(told) and not is_own_host(told))       # HOST may name the site
    overridden = has_host_option([word.text for word in service.command], service.runtime)
    return {} if not is_set or is_other or overridden else {name: host}


def _write_variable(snapshot: Snapshot, service: Service, value: Mapping[str, str]) -> EditSteps | NotEditable:
    nowhere = "no editable file contains its listen address"
    if not value:
        return NotEditable(nowhere)
    other = _other_reader(snapshot, service, value)
    if other:
        return NotEditable(f"{other} takes its own address from that place too")
    written = write_variables(snapshot, service, value, replace=True)
    return NotEditable(f"{nowhere}; {written.reason}") if isinstance(written, NotEditable) else written


def _other_reader(snapshot: Snapshot, service: Service, names: Iterable[str]) -> str:
    """Return another service whose environment has one of the variables from the same line; empty if none has."""
    own = {(a.name, a.defined_in) for a in service.env if a.name in names}
    return next((other.name for other in snapshot.services if other.id != service.id
                 and (other.files_node or other.node) == (service.files_node or service.node)
                 and any((a.name, a.defined_in) in own for a in other.env)), "")


def _unset_variable(service: Service, host: str) -> dict[str, str]:
    """Return the variable, and its value, where a script in the image has a default for it: the image is not edited."""
    places = [b.host_place for b in bindings_of(service) if b.unix is None and b.host_place is not None]
    for place in places:
        if place.default_of and not place.file:
            return {place.default_of: _joined_host(host)}
    told = host_places([word.text for word in service.command], service.runtime)
    word = service.command[told[-1].index] if told else None
    if word is not None and word.default_of and not word.file:
        new = _joined_host(host) if told[-1].port else host
        return {word.default_of: word.text[:told[-1].start] + new + word.text[told[-1].end:]}
    return {}


def _other_user(snapshot: Snapshot, service: Service, spot: _SpanEdit) -> str:
    """Return another service whose address is made of the same variable; empty if none is."""
    for other in snapshot.services if spot.is_variable else ():
        same = other.id != service.id and (other.files_node or other.node) == (service.files_node or service.node)
        told = bindings_of(other)
        words = (*other.command, *(b.host_place for b in told if b.host_place is not None))
        if same and (any((w.file, w.start) == (spot.file, spot.start) for w in words)
                     or any((b.file, b.start) == (spot.file, spot.end + 1) for b in told)):
            return other.name
    return ""


def _host_part_edit(snapshot: Snapshot, service: Service, place: HostPlace, host: str) -> _SpanEdit | None:
    """Return the edit of the address in an option's value: all of it, or the part before its port."""
    word = service.command[place.index]
    if word.file is None:
        return None
    option = word.text[:place.value] or f"{service.command[place.index - 1].text} "
    value, old = word.text[place.value:], word.text[place.start:place.end]
    new = _joined_host(host) if place.port else host
    at = _value_offset(snapshot, service, word, option, value)
    if at is not None:
        at += place.start - place.value
        return _SpanEdit(word.file, at, at + len(old), old, new)
    found = _literal_host(snapshot, service, option + word.text[place.value:place.start], old) if place.port else None
    return None if found is None else _SpanEdit(found[0], found[1], found[1] + len(old), old, new)


def _literal_host(snapshot: Snapshot, service: Service, before: str, host: str) -> tuple[str, int] | None:
    """Return (file, offset) of the host if only the port behind it comes from a variable: one line of the command holds
    option and host, once. None otherwise."""
    wanted = f"{before}{host}:".encode("utf-8", "surrogateescape")
    found: list[tuple[str, int]] = []
    for path, number in dict.fromkeys((word.file, word.line) for word in service.command if word.file):
        file = snapshot.file(service.files_node or service.node, path)
        lines = file.data.split(b"\n") if file is not None else []
        line = lines[number - 1] if 0 < number <= len(lines) else b""
        start = sum(len(other) + 1 for other in lines[: number - 1])
        found += [(path, start + line.find(wanted) + len(before))] * line.count(wanted)
    return found[0] if len(found) == 1 else None


def _value_offset(
    snapshot: Snapshot, service: Service, word: CommandArgument, before: str, value: str,
) -> int | None:
    """Return the offset of the value. If the file escapes it (`$$` of Compose), its line must hold option and value
    exactly once."""
    if word.start is not None:
        return word.start + (len(word.text) - len(value))
    file = snapshot.file(service.files_node or service.node, word.file or "")
    lines = file.data.split(b"\n") if file is not None else []
    if not 0 < word.line <= len(lines):
        return None
    wanted, line = (before + value).encode("utf-8", "surrogateescape"), lines[word.line - 1]
    if line.count(wanted) != 1:
        return None
    return sum(len(other) + 1 for other in lines[: word.line - 1]) + line.index(wanted) + len(before)


def _added_host_edit(snapshot: Snapshot, service: Service, host: str) -> _SpanEdit | None:
    """Return the edit that adds an option after the last argument, if only the server's default counts."""
    last = service.command[-1] if service.command else None
    told = bindings_of(service)
    if not server_of(service.runtime).appends_host or last is None or last.file is None or last.end is None:
        return None
    if any(b.host not in ("127.0.0.1", "localhost") for b in told) or _has_host_setting(service):
        return None
    if service.command[0].file != last.file or service.command[0].start is None:
        return None          # the last argument is the value of a variable, which is set elsewhere
    file = snapshot.file(service.files_node or service.node, last.file)
    if file is None:
        return None
    at = last.end
    quote = file.data[at:at + 1].decode("latin-1")
    match service.command_style:
        case "unit" | "shell" | "yaml-string":
            at += quote in "'\"" and bool(quote) and service.command_style != "yaml-string"
            return _SpanEdit(last.file, at, at, "", f" --host {host}")
        case "yaml-flow":
            at += quote in "'\"" and bool(quote)
            return _SpanEdit(last.file, at, at, "", f', "--host", "{host}"')
        case "yaml-block":
            line = file.data[file.data.rfind(b"\n", 0, last.start or 0) + 1:at].decode("latin-1")
            indent = line[: len(line) - len(line.lstrip())]
            at += quote in "'\"" and bool(quote)
            return _SpanEdit(last.file, at, at, "", f'\n{indent}- --host\n{indent}- "{host}"')
        case _:
            return None


def _has_host_setting(service: Service) -> bool:
    """Return whether an option or a variable sets it: then it is not what is missing."""
    if has_host_option([word.text for word in service.command], service.runtime):
        return True
    return any(a.name.endswith("_HOST") or a.name == "HOST" for a in service.env if not a.empty)
