"""Learned backends that no service manager starts: find one that no longer runs, and start it as a systemd unit."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import (
    endpoint_text,
    file_line_text,
    find_node,
    listeners_on,
)
from fixer.analysis.nginx_errors import refused_evidence, routes_text
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.learned import Learned, LearnedService
from fixer.model.plan import DaemonReload, FileMeta, Step, UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import Endpoint, Service, Snapshot
from fixer.redaction.secrets import is_secret_name

with lazy_imports():  # not needed in most looks
    from fixer.repairs.start_service import reachable_host
    from fixer.repairs.write_variables import quote_value, secrets_to_mask

REPAIR_ID = "start-as-unit"
WORKING_DIRECTORY_MARK = "."        # instead of a file path: the value was the working directory itself
_PLAIN_LINE = regex(rb"\s*(?:[#;].*)?|[A-Za-z_]\w*=(?:[^\s\"'\\$`]*|'[^'\\$`]*'|\"[^\"\\$`]*\")\s*")
_ASSIGNMENT = regex(
    r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)="
    r"(?P<value>'[^']*'|\"(?:[^\"\\]|\\.)*\"|[^\s;#'\"]*)[ \t]*(?:[;#].*)?\r?$")
_UNQUOTED_ARGUMENT = regex(r"[A-Za-z0-9@+:,./=_-]+")
_NUMBER_OR_ADDRESS = regex(r"(?:.*[:=])?\d+|\[?[0-9a-fA-F:.]*\]?|localhost")
_NO_NAME = regex(r"[^A-Za-z0-9_-]+")
_EXPANDED = regex(r"[\\$`]")


@dataclass(frozen=True, slots=True)
class MissingBackend:
    """A learned application without a running process."""

    learned: Learned
    service: LearnedService


def find_missing_backend(case: Case, endpoint: Endpoint) -> MissingBackend | None:
    """Return the learned application that listened there, was started by hand, and does not run."""
    for learned in case.snapshot.learned:
        for service in learned.services:
            if learned.node == endpoint.node and service.manager == "none" and _has_listened_at(service, endpoint) \
                    and not _is_running(case.snapshot, learned, service):
                return MissingBackend(learned, service)
    return None


def _has_listened_at(service: LearnedService, endpoint: Endpoint) -> bool:
    return any(
        unix == endpoint.unix if endpoint.unix is not None else not unix and port == endpoint.port
        for _, port, unix in service.addresses
    )


def _is_running(snapshot: Snapshot, learned: Learned, service: LearnedService) -> bool:
    """Return whether the same command runs, at any address. Another learned instance of it does not count."""
    wanted = _comparable_command(service.argv)
    others = [o for o in learned.services if o is not service and _comparable_command(o.argv)[-len(wanted):] == wanted]
    return any(s.node == learned.node and s.running and wanted and _comparable_command(s.argv)[-len(wanted):] == wanted
               and not any(_is_other_instance(snapshot, s, service, other) for other in others)
               for s in snapshot.services)


def _is_other_instance(snapshot: Snapshot, running: Service, service: LearnedService, other: LearnedService) -> bool:
    """Return whether the process is the other instance: by working directory if the two differ, else by address."""
    node = snapshot.node(running.node)
    processes = node.processes.or_else(())
    folders = {p.cwd.value for p in processes if p.pid in running.pids and isinstance(p.cwd, Known)}
    if service.directory != other.directory and folders & {service.directory, other.directory}:
        return other.directory in folders
    places = {(port, unix) for _, port, unix in other.addresses}
    return any((x.port, x.address if x.family == "unix" else "") in places for x in listeners_on(snapshot, node.name)
               if isinstance(x.pids, Known) and not set(running.pids).isdisjoint(x.pids.value))


def _comparable_command(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the arguments without the interpreter, addresses and numbers."""
    return tuple(word for word in argv[1:] if not _NUMBER_OR_ADDRESS.fullmatch(word))


def learned_evidence(case: Case, gone: MissingBackend) -> Evidence:
    """Return the learned record as evidence that the application belongs at the address."""
    service = gone.service
    command = " ".join(service.argv) or service.runtime
    return Evidence("learned", file_line_text(case.snapshot, gone.learned.node, gone.learned.where),
                    f"{service.name} ran as {service.user} in {service.directory}: {command}")


def learned_finding(case: Case, trouble: FailingAddress, gone: MissingBackend) -> Finding:
    """Return the finding: the learned application was started by hand and has ended, and nothing restarts it."""
    endpoint = trouble.endpoint
    evidence = (
        learned_evidence(case, gone), *refused_evidence(case, trouble),
    )
    return Finding(
        cause="backend-down", variant="backend-not-running", role="root", confidence="likely",
        summary=f"{gone.service.name}, started by hand, does not run; nothing listens at {endpoint_text(endpoint)}",
        detail=(f"needed by {routes_text(trouble)}",), routes=trouble.route_ids, service=gone.service.name,
        node=gone.learned.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(start_as_unit_repair(case, trouble, gone),),
    )


def start_as_unit_repair(case: Case, trouble: FailingAddress, gone: MissingBackend) -> Repair:
    """Return the repair: a unit with the learned command, its variables read from their original files."""
    service, node = gone.service, gone.learned.node
    name = new_unit_name(case.snapshot, node, service)
    summary = f"start {service.name} as {name}, which also starts at boot"
    missing = [n for n, file in service.variables if _stored_value(case, node, n, file) is None]
    needs = tuple(
        Need(n, "secret" if is_secret_name(n) else "value",
             f"{service.name} ran with this variable, and no file holds its value")
        for n in missing
    )
    machine = find_node(case.snapshot, node)
    if not (service.complete and service.readable) or machine is None or machine.init != "systemd":
        why = "systemd does not run on that node"
        if not (service.complete and service.readable):
            why = ("its variables could not be read while it ran" if service.complete
                   else "its command contained a secret")
        by_hand = " ".join(service.argv) or service.name
        manual = f"start it in {service.directory} as {service.user}: {by_hand}; fixer cannot do it because {why}"
        return Repair(REPAIR_ID, "manual", f"start {service.name}", (), needs, manual)
    complete = all(n in case.inputs for n in missing)
    return Repair(REPAIR_ID, "disruptive", summary, _start_unit_steps(case, trouble, gone, name) if complete else (),
                  needs)


def new_unit_name(snapshot: Snapshot, node: str, service: LearnedService) -> str:
    """Return an unused name for the new unit."""
    base = _NO_NAME.sub("-", posixpath.basename(service.directory.rstrip("/"))).strip("-")
    base = base or service.runtime or "backend"
    taken = {s.unit.name for s in snapshot.services if s.node == node and s.unit is not None}
    names = (f"{base}.service", f"{base}-backend.service", *(f"{base}-{n}.service" for n in range(2, 100)))
    return next(n for n in names if n not in taken and snapshot.file(node, f"/etc/systemd/system/{n}") is None)


def _variable_value(case: Case, node: str, name: str, file: str) -> str | None:
    """Return the operator's value for the variable, or the one in its original file."""
    return case.inputs[name] if name in case.inputs else _stored_value(case, node, name, file)


def _stored_value(case: Case, node: str, name: str, file: str) -> str | None:
    if file == WORKING_DIRECTORY_MARK:
        return ""
    found = case.snapshot.file(node, file) if file else None
    return None if found is None else assigned_value(found.data, name)


def assigned_value(data: bytes, name: str) -> str | None:
    """Return the last value that the file sets for the name, or None if only a shell could evaluate it."""
    value: str | None = None
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        match = _ASSIGNMENT.match(line)
        if match is None or match["name"] != name:
            continue
        text = match["value"]
        inner = text[1:-1] if text[:1] in ("'", '"') else text
        value = None if text[:1] != "'" and _EXPANDED.search(inner) else inner
    return value


def _start_unit_steps(case: Case, trouble: FailingAddress, gone: MissingBackend, name: str) -> tuple[Step, ...]:
    service, node = gone.service, gone.learned.node
    files, values, plain = _split_environment(case, gone)
    steps: list[Step] = []
    path = f"/etc/default/{name.removesuffix('.service')}"
    if values:
        text = "".join(f"{key}={quote_value(value, 'env-file')}\n" for key, value in values.items())
        steps.append(WriteFile(
            node, path, None, text.encode("utf-8", "surrogateescape"), f"variables of {service.name}",
            meta=FileMeta(0o600, 0, 0), mask=secrets_to_mask(dict.fromkeys(values, "") | values, "env-file"),
        ))
        files = (*files, path)
    unit = _unit_text(service, files, plain)
    steps.append(WriteFile(node, f"/etc/systemd/system/{name}", None, unit.encode(), f"a unit for {service.name}",
                           meta=FileMeta(0o644, 0, 0)))
    steps += [DaemonReload(node), UnitAction(node, name, "enable", "inactive", ""),
              UnitAction(node, name, "start", "inactive", "")]
    endpoint = trouble.endpoint
    steps.append(WaitForListener(node, reachable_host(endpoint.host), endpoint.port, endpoint.unix))
    return tuple(steps)


_Environment = tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]


def _split_environment(case: Case, gone: MissingBackend) -> _Environment:
    """Return files that systemd can read unchanged, values to write to a new file, and names set to the directory."""
    node, files, values = gone.learned.node, [], {}
    plain: list[str] = []
    for name, file in gone.service.variables:
        value = _variable_value(case, node, name, file)
        if file == WORKING_DIRECTORY_MARK and name not in case.inputs:
            plain.append(name)
        elif name not in case.inputs and _is_env_file(case.snapshot, node, file):
            files.append(file)
        elif value is not None:
            values[name] = value
    return tuple(dict.fromkeys(files)), values, tuple(plain)


def _is_env_file(snapshot: Snapshot, node: str, file: str) -> bool:
    """Return whether the file holds only assignments that systemd and a shell read alike."""
    found = snapshot.file(node, file)
    return found is not None and all(_PLAIN_LINE.fullmatch(line) for line in found.data.split(b"\n"))


def _unit_text(service: LearnedService, files: tuple[str, ...], plain: tuple[str, ...]) -> str:
    lines = ["[Unit]", f"Description={service.runtime or 'application'} in {_escape_percent(service.directory)}",
             "After=network.target", "", "[Service]"]
    if service.user not in ("root", "0"):
        lines.append(f"User={service.user}")
    lines += [f"WorkingDirectory={_escape_percent(service.directory)}",
              *(f"EnvironmentFile={_escape_percent(file)}" for file in files),
              *(f'Environment="{name}={_escape_percent(service.directory)}"' for name in plain),
              f"ExecStart={' '.join(_quote_argument(word) for word in service.argv)}", "Restart=on-failure", "",
              "[Install]", "WantedBy=multi-user.target", ""]
    return "\n".join(lines)


def _escape_percent(text: str) -> str:
    return text.replace("%", "%%")


def _quote_argument(word: str) -> str:
    if _UNQUOTED_ARGUMENT.fullmatch(word):
        return word
    inner = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%").replace("$", "$$")
    return f'"{inner}"'
