"""Missing, backed-up and misread files of environment variables, and their repairs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, config_evidence
from fixer.analysis.exits.exit_reason import NamedLine
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.ownership.uncreated_backend import UncreatedBackend, uncreated_backends
from fixer.formats.backup_names import is_backup_name
from fixer.formats.env_file import EnvLine, env_lines
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import FileMeta, WriteFile
from fixer.model.snapshot import EnvCopy, FileContent, MissingEnvFile, Service, Snapshot
from fixer.redaction.all_files import redact_env_file
from fixer.redaction.secrets import is_secret_name
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.older_state import BACKUP_ID, BACKUP_KEY, masked_lines, newest_first_key
from fixer.repairs.start_service import create_service_step, start_or_restart_steps
from fixer.repairs.write_variables import is_variable_set

CAUSE_ID = "crash-missing-env"
VARIANT = "start-envfile-missing"
RESTORE_REPAIR_ID = "restore-environment-file"


def lost_env_findings(case: Case) -> list[Finding]:
    """Return one finding for each uncreated backend that lacks an env_file: its own, or another service's."""
    found: dict[str, Finding] = {}
    for backend in uncreated_backends(case):
        service = backend.service
        lacked = sorted(backend.compose.missing_env_files, key=lambda one: one.service != service.service)
        if not lacked or service.profiles:
            continue
        new, old = _lost_env_finding(case, backend, lacked), found.get(service.service)
        found[service.service] = new if old is None else old.joined_with(new)
    return list(found.values())


def _lost_env_finding(case: Case, backend: UncreatedBackend, lacked: Sequence[MissingEnvFile]) -> Finding:
    trouble, name, first = backend.trouble, backend.service.service, lacked[0]
    whose = "" if first.service == name else f" (of service {first.service}; Compose refuses every `up` without it)"
    more = tuple(f"{one.path} of service {one.service} does not exist either" for one in lacked[1:]
                 if one.path != first.path)
    evidence = (
        first.source, Evidence("file", first.path, "no such file"), *_older_file_evidence(case, first),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *connect_symptoms(case, trouble),
    )
    return Finding(
        cause=CAUSE_ID, variant=VARIANT, role="root", confidence="certain",
        summary=f"service {name} has no container and cannot be created: {first.path}, named by env_file, does not "
                f"exist{whose}",
        detail=(f"needed by {routes_text(trouble)}", *dict.fromkeys(more)), routes=trouble.route_ids, service=name,
        node=trouble.nginx.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=tuple(_repairs(case, name, first, alone=not more)),
        effects=backend.effects,
    )


def _older_file_evidence(case: Case, lacked: MissingEnvFile) -> Iterator[Evidence]:
    for path in lacked.copies[:2]:
        if _find_nonempty_file(case, path) is not None:
            what = "a backup copy of it, by its name" if _is_backup_copy(path, lacked) else "an example, by its name"
            yield Evidence("file", path, what)


def _repairs(case: Case, name: str, lacked: MissingEnvFile, *, alone: bool) -> Iterator[Repair]:
    """Let the operator choose a backup copy or an example file: a copy may be old, an example has placeholders."""
    create = create_service_step(case.snapshot, name, f"env file {lacked.path}")
    paths = tuple(path for path in lacked.copies if _find_nonempty_file(case, path) is not None)
    if paths and alone and not isinstance(create, NotEditable):
        labels = [path if _is_backup_copy(path, lacked) else f"{path} (an example: its values may be placeholders)"
                for path in paths]
        need = Need(BACKUP_KEY, "choice", f"the file to create {lacked.path} from: {', '.join(labels)}", paths)
        given = case.inputs.get(BACKUP_KEY, "")
        chosen = _find_nonempty_file(case, given) if given in paths else None
        steps = () if chosen is None else (_restore_step(lacked.path, chosen), create)
        yield Repair(BACKUP_ID, "disruptive", f"restore {lacked.path}, then create service {name}", steps, (need,))
    held = f" ({', '.join(paths)} {'is' if len(paths) == 1 else 'are'} in the same folder)" if paths else ""
    manual = (f"restore {lacked.path} with the variables that service {lacked.service} needs{held}, then run docker "
              f"compose up -d --no-deps {name}. If it needs none, remove the line at {lacked.source.where}")
    yield Repair(RESTORE_REPAIR_ID, "manual", f"restore {lacked.path}", (), manual=manual)


def _find_nonempty_file(case: Case, path: str) -> FileContent | None:
    file = case.snapshot.file(ENGINE, path)
    return file if file is not None and file.data.strip() else None


def _is_backup_copy(path: str, lacked: MissingEnvFile) -> bool:
    return is_backup_name(path.rpartition("/")[2], lacked.path.rpartition("/")[2])


def _restore_step(path: str, older: FileContent) -> WriteFile:
    meta = FileMeta(older.stat.mode & 0o7777, older.stat.uid, older.stat.gid)
    return WriteFile(ENGINE, path, None, older.data, f"the contents of {older.path}", meta=meta,
                     mask=masked_lines(older.data, redact_env_file))


# Backup copies from which a file, or some of its variables, can be restored.


def backups_with(snapshot: Snapshot, service: Service, names: Iterable[str]) -> tuple[EnvCopy, ...]:
    """Return the backup copies that set all the variables, newest first."""
    wanted = tuple(names)
    found = [(newest_first_key(file), copy) for copy in service.env_copies
             if (file := snapshot.file(copy.node, copy.path)) is not None
             and all(_variable_span(copy, name) is not None and not _is_set_elsewhere(service, copy, name)
                     for name in wanted)]
    return tuple(copy for _, copy in sorted(found, key=lambda pair: pair[0]))


def backups_of(snapshot: Snapshot, service: Service, path: str) -> tuple[EnvCopy, ...]:
    """Return the backup copies of a missing file, newest first."""
    return tuple(copy for copy in backups_with(snapshot, service, ()) if copy.original_path == path
                 and copy.original_names is None)


def backup_evidence(copies: Sequence[EnvCopy], names: Sequence[str]) -> tuple[Evidence, ...]:
    """Return the names of the variables that each copy sets, never their values."""
    wanted = ", ".join(names)
    return tuple(Evidence("file", copy.path, f"sets {wanted or ', '.join(n for n, _, _ in copy.value_spans)}")
                 for copy in copies[:2])


def restore_variables_repair(case: Case, crash: FailedRun, copies: Sequence[EnvCopy],
                             names: Sequence[str]) -> Repair | None:
    """Restore the variables, or all of a missing or empty file, from the copy that the operator chooses."""
    service = crash.service
    begin = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    if not copies or isinstance(begin, NotEditable):
        return None
    paths = tuple(copy.path for copy in copies)
    of = ", ".join(dict.fromkeys(copy.original_path for copy in copies))
    what = ", ".join(names)
    why = f"a backup copy of {of} that sets {what or 'variables'}: {', '.join(paths)}"
    need = Need(BACKUP_KEY, "choice", why, paths)
    chosen = next((copy for copy in copies if copy.path == case.inputs.get(BACKUP_KEY)), None)
    write = _restore_variables_step(case.snapshot, chosen, names) if chosen is not None else None
    does = f"restore {what} from a backup copy of {of}" if what and any(copy.original_names
                                                              for copy in copies) else f"restore {of}"
    summary = f"{does}, then start {service.name}"
    if write is not None and write[1]:
        summary += f" ({write[1]} manages that file and will overwrite the edit)"
    return Repair(BACKUP_ID, "disruptive", summary, () if write is None else (write[0], *begin), (need,))


def limit_to_compose(crash: FailedRun, blank: tuple[NamedLine, ...]) -> FailedRun:
    """Limit the run's slots for new variables to those that Compose reads for its own file."""
    names = {one.name for one in blank}
    slots = tuple(slot for slot in crash.service.env_slots if names <= set(slot.only_for))
    service = replace(crash.service, env_slots=slots)
    return replace(crash, owner=replace(crash.owner, service=service))


def _variable_span(copy: EnvCopy, name: str) -> tuple[int, int] | None:
    return next(((start, end) for held, start, end in copy.value_spans if held == name), None)


def _is_set_elsewhere(service: Service, copy: EnvCopy, name: str) -> bool:
    """Return whether another file assigns the variable, which may override this file."""
    return any(a.name == name and a.defined_in.rpartition(":")[0] not in ("", copy.original_path) for a in service.env)


def _restore_variables_step(snapshot: Snapshot, copy: EnvCopy, names: Sequence[str]) -> tuple[WriteFile, str] | None:
    """Return the step, and the tool that manages the file."""
    older, now = snapshot.file(copy.node, copy.path), snapshot.file(copy.node, copy.original_path)
    if older is None or (now is None) != (copy.original_names is None):
        return None
    if now is None:
        meta = FileMeta(older.stat.mode & 0o7777, older.stat.uid, older.stat.gid)
        return WriteFile(copy.node, copy.original_path, None, older.data, f"the contents of {copy.path}", meta=meta,
                         mask=masked_lines(older.data, redact_env_file)), older.managed_by
    data = _merge_lines(now.data, older, copy, names) if copy.original_names else older.data
    summary = f"{', '.join(names)} from {copy.path}" if copy.original_names else f"the contents of {copy.path}"
    mask = (*masked_lines(now.data, redact_env_file), *masked_lines(older.data, redact_env_file))
    return WriteFile(copy.node, now.real_path, now.data, data, summary, in_place=now.single_file_mount,
                     mask=mask), now.managed_by


def _merge_lines(data: bytes, older: FileContent, copy: EnvCopy, names: Sequence[str]) -> bytes:
    """Return the file with the copy's lines: each replaces an empty assignment, or is appended."""
    for name in names:
        start, end = _variable_span(copy, name) or (0, 0)
        line = older.data[start:end]
        empty = rb"(?m)^[ \t]*(?:export[ \t]+)?" + re.escape(name.encode()) + rb"[ \t]*=[ \t]*(?:\"\"|'')?[ \t]*$"
        if (found := re.search(empty, data)) is not None:
            data = data[:found.start()] + line + data[found.end():]
        else:
            data += (b"" if not data or data.endswith(b"\n") else b"\n") + line + b"\n"
    return data


# Lines of an EnvironmentFile= that set a variable for a shell and not for systemd, which reads only `NAME=value`; and
# lines that belong to another value because of an open quote or a backslash on an earlier line.
_BOM = b"\xef\xbb\xbf"
_EXPORT_LINE = regex(rb"^[ \t]*(?P<word>(?:export|declare -x|typeset -x)[ \t]+)(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")
_BOM_LINE = regex(rb"^(?P<word>\xef\xbb\xbf)[ \t]*(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")
_ASSIGNMENT = regex(rb"^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)=")
# a one-line value that lacks only its closing quote
_UNCLOSED_QUOTE = regex(rb"[ \t]*(?P<quote>['\"])[^'\"\\$`]*")
# Read by systemd as it was meant for a shell: no expansion, escape or trailing comment. A `$` before anything but a
# name expands to nothing in a shell: it is part of a secret that nobody wrote for one.
_PLAIN_VALUE = regex(rb"(?:[^\s$`\\'\"#]|\$(?![\w{(])|\$\d)*|'[^'\\]*'|\"(?:[^\"$`\\]|\$(?![\w{(])|\$\d)*\"")

_MAX_UNMASKED = 3     # masking shorter values (1, yes) would hide too much of the display


@dataclass(frozen=True, slots=True)
class MisreadLine:
    """A line that systemd misreads. `prefix` is the text before the name."""

    name: str
    file: FileContent
    line: int
    prefix: bytes
    is_plain: bool
    within: EnvLine | None = None     # the value that this line is part of

    @property
    def where(self) -> str:
        """file:line."""
        return f"{self.file.path}:{self.line}"

    @property
    def problem_text(self) -> str:
        """What is wrong with the line, without the value."""
        if self.within is not None:
            begins = f"the value of {self.within.name} that starts at line {self.within.line}"
            how = f"a quote ({self.within.quote})" if self.within.quote else "a quote or a backslash"
            return f"{self.where} sets {self.name} inside {begins}: {how} there extends that value"
        if self.prefix == _BOM:
            return f"{self.where} sets {self.name} after a byte order mark, which systemd reads as part of the name"
        return f"{self.where} sets {self.name} after `{self.prefix.decode().strip()}`: systemd ignores such a line"


def find_misread_line(snapshot: Snapshot, service: Service, name: str) -> MisreadLine | None:
    """Return the last misread line that should set the variable, or None if there is none or no unit."""
    for file in _environment_files(snapshot, service):
        lost = next((one for one in _prefixed_lines(file) if one.name == name), _find_line_within_value(file, name))
        if lost is not None:
            return lost
    return None


def other_ignored_lines(snapshot: Snapshot, service: Service, found: Sequence[MisreadLine]) -> tuple[MisreadLine, ...]:
    """Return the other lines that systemd ignores for the same reason in the files of these lines: the program has met
    only the first variable that it lacks. A line whose variable is set elsewhere is left as it is."""
    taken = {one.name for one in found}
    paths = {one.file.path for one in found if one.within is None}
    others: list[MisreadLine] = []
    for file in _environment_files(snapshot, service):
        for one in _prefixed_lines(file) if file.path in paths else ():
            if one.name not in taken and not is_variable_set(service, one.name):
                taken.add(one.name)
                others.append(one)
    return tuple(sorted(others, key=lambda one: (one.file.path, one.line)))


def _environment_files(snapshot: Snapshot, service: Service) -> Iterator[FileContent]:
    """Yield the unit's EnvironmentFile= files, the one that systemd reads last first."""
    for word in reversed(service.unit.environment_files if service.unit is not None else ()):
        file = snapshot.file(service.node, word.split(" ")[0].removeprefix("-"))
        if file is not None:
            yield file


def _prefixed_lines(file: FileContent) -> Iterator[MisreadLine]:
    """Yield the lines that systemd ignores since something stands before the name, the last first."""
    lines = file.data.split(b"\n")
    for number in range(len(lines), 0, -1):
        text = lines[number - 1].rstrip(b"\r")
        match = _EXPORT_LINE.match(text) or (_BOM_LINE.match(text) if number == 1 else None)
        if match is not None:
            value = match["value"].strip()
            plain = bool(value) and _PLAIN_VALUE.fullmatch(value) is not None
            yield MisreadLine(match["name"].decode(), file, number, match["word"], plain)


def _find_line_within_value(file: FileContent, name: str) -> MisreadLine | None:
    """Return the line that names the variable inside another value. It is plain if the first line of that value lacks
    only its closing quote."""
    lines = file.data.split(b"\n")
    for one in env_lines(file.data.decode("latin-1")):
        for number in range(one.last, one.line, -1):
            match = _ASSIGNMENT.match(lines[number - 1]) if number <= len(lines) else None
            if match is not None and match["name"] == name.encode():
                value = lines[one.line - 1].rstrip(b"\r").partition(b"=")[2]
                return MisreadLine(name, file, number, b"",
                                   bool(one.quote) and _UNCLOSED_QUOTE.fullmatch(value) is not None, one)
    return None


def remove_prefix_steps(found: tuple[MisreadLine, ...]) -> tuple[WriteFile, ...]:
    """Return steps that remove the prefixes and close open quotes; nothing else in the files changes."""
    steps: dict[str, WriteFile] = {}
    for one in found:
        file = one.file
        step = steps.get(file.real_path) or WriteFile(
            file.node, file.real_path, file.data, file.data, "", in_place=file.single_file_mount)
        lines = (step.after or b"").split(b"\n")
        if one.within is not None:
            lines[one.within.line - 1] = _close_quote(lines[one.within.line - 1], one.within.quote.encode())
        lines[one.line - 1] = lines[one.line - 1].replace(one.prefix, b"", 1)
        written = lines[one.line - 1].partition(b"=")[2].strip()
        secret = (written, written.strip(b"'\"")) if is_secret_name(one.name) or len(written) > _MAX_UNMASKED else ()
        summary = f"{step.summary}, {one.name}" if step.summary else f"let systemd read {one.name}"
        steps[file.real_path] = replace(
            step, after=b"\n".join(lines), summary=summary, mask=tuple(dict.fromkeys((*step.mask, *secret))))
    return tuple(steps.values())


def _close_quote(line: bytes, quote: bytes) -> bytes:
    """Return the line with its missing closing quote, or unchanged if the value is already closed."""
    text = line.rstrip(b"\r")
    return text + quote + line[len(text):] if _UNCLOSED_QUOTE.fullmatch(text.partition(b"=")[2]) else line
