"""Arguments of a service's command: the value of an option, and an edit of it in the file that holds it."""

from __future__ import annotations

import posixpath
import re
from itertools import zip_longest

from fixer.analysis.case import Case
from fixer.analysis.evidence import file_line_text
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.exec_step import working_directory_of
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.load.pressure import Pressure
from fixer.formats.application_servers import arguments_of, server_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.plan import DaemonReload, WriteFile
from fixer.model.snapshot import CommandArgument, Endpoint, FileContent, Service, Snapshot
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # only for what is found
    from fixer.analysis.exits.source_files import line_of
    from fixer.repairs.resource_limits import SettingRepairWording, set_and_start_repair
    from fixer.repairs.start_service import start_or_restart_steps
    from fixer.repairs.write_variables import EditSteps, write_variables

TLS_OPTIONS = {"key": ("--ssl-keyfile", "--keyfile"), "cert": ("--ssl-certfile", "--certfile")}


def option_value(service: Service, options: tuple[str, ...]) -> CommandArgument | None:
    """Return the argument after the first of these options, None if the command has none."""
    words = service.command
    return next((words[i + 1] for i in range(len(words) - 1) if words[i].text in options), None)


def edit_argument(snapshot: Snapshot, service: Service, word: CommandArgument, new: str,
                  summary: str) -> EditSteps | NotEditable:
    """Return the steps that replace the argument's text with `new`, and that make systemd read it."""
    node = service.files_node or service.node
    file = None if word.file is None else snapshot.file(node, word.file)
    if file is None or word.start is None or word.end is None:
        return NotEditable(f"{word.text} is in its command, and no editable file contains that command")
    return edit_argument_span(service, word, file, (word.start, word.end), new, summary=summary)


def edit_argument_span(
    service: Service, word: CommandArgument, file: FileContent, span: tuple[int, int], new: str, *, summary: str,
) -> EditSteps | NotEditable:
    """Return the same for another span. A file that no longer holds the argument there stays unchanged."""
    start, end = span
    if file.data[start:end] != word.text.encode("utf-8", "surrogateescape"):
        return NotEditable(f"{file.path} does not contain {word.text} at the position that fixer read")
    node = service.files_node or service.node
    data = file.data[:start] + new.encode() + file.data[end:]
    step = WriteFile(node, file.real_path, file.data, data, summary, in_place=file.single_file_mount)
    is_unit = service.unit is not None and word.file in (service.unit.fragment_path, *service.unit.drop_in_paths)
    steps = (step, DaemonReload(node)) if is_unit else (step,)
    return EditSteps(steps, file.real_path, file.managed_by)


# More worker processes for a service: their number, and the file that holds it.
WORKERS_ID = "add-workers"
WORKERS_KEY = "workers"
WORKERS_VARIABLE = "WEB_CONCURRENCY"
_SPARE_WORKERS = 4                   # arrivals are uneven, and workers do not take turns
_MIN_WORKERS = 2
# bounds of the default: fewer are too few for uneven arrivals, more only cost memory
_MIN_DEFAULT, _MAX_DEFAULT = 8, 16
_WORKERS_OPTION = regex(r"^(?P<head>--workers=|--workers$|-w$|-w=?(?=\d)|-W$)(?P<value>\d*)$")


def add_workers_repair(case: Case, pressure: Pressure, workers: int, *, each: int = 1) -> Repair:
    """Return the repair, complete with the computed number or the operator's. `each` is how many requests a worker
    serves at once."""
    if each > 1:
        # requests arrive in uneven waves, and workers do not take turns: one may have twice its share
        default = min(2 * -(-_needed_workers(pressure) // each) + workers * 2, _MAX_DEFAULT)
    else:
        default = min(max(_needed_workers(pressure) + _SPARE_WORKERS, workers * 2, _MIN_DEFAULT), _MAX_DEFAULT)
    if default <= workers:
        default = workers * 2
    return _workers_repair(case, pressure.service, pressure.failing_address.endpoint, workers, default)


def second_worker_repair(case: Case, service: Service, endpoint: Endpoint) -> Repair:
    """Return a repair with a second worker for a server that sometimes ends its only one; the parent listens on."""
    return _workers_repair(case, service, endpoint, 1, _MIN_WORKERS)


def _workers_repair(case: Case, service: Service, endpoint: Endpoint, workers: int, default: int) -> Repair:
    need = Need(WORKERS_KEY, "value", f"the number of worker processes of {service.name}, now {workers}",
                default=str(default), pattern="[1-9][0-9]?")
    chosen = case.inputs.get(WORKERS_KEY, str(default))
    written = _write_workers(case.snapshot, service, chosen)
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    does = f"{chosen} workers instead of {workers}"
    return set_and_start_repair(SettingRepairWording(
        WORKERS_ID, f"more workers for {service.name}", need, does, by_hand=f"run {service.name} with {does}",
        then=f"restart {service.name}",
    ), written, begin)


def _needed_workers(pressure: Pressure) -> int:
    """Return how many workers the requests in progress need. Each has waited longer than it needs: with timely answers
    there are never more at once. A request that its client has abandoned still queues and needs no worker."""
    return pressure.established or pressure.queued


def _write_workers(snapshot: Snapshot, service: Service, number: str) -> EditSteps | NotEditable:
    if "--reload" in service.argv:
        return NotEditable("it runs with --reload, which allows one worker only")
    option = find_numbered_option(service, _WORKERS_OPTION)
    if option is not None:
        return edit_option(snapshot, service, option, number, "the number of workers")
    if any(_WORKERS_OPTION.match(word) for word in service.argv):
        return NotEditable("the number of workers is in its command, and no editable file contains that command")
    if not server_of(service.runtime).reads_workers_variable(WORKERS_VARIABLE):
        return NotEditable(f"{service.runtime or 'its server'} reads no number of workers from the environment")
    if isinstance(service.workers, Known):
        for evidence in service.workers.evidence:
            if evidence.where.rpartition(":")[0].endswith(".py"):
                return NotEditable(f"{evidence.where} sets it and overrides the environment: change it there")
    return write_variables(snapshot, service, {WORKERS_VARIABLE: number}, replace=True)


# One option of a service's command, changed in the file that holds it.


@dataclass(frozen=True, slots=True)
class CommandOption:
    """The argument that holds an option's value; `head` is the part of the argument before the value."""

    word: CommandArgument
    head: str
    value: str
    name: str = ""


def find_option(service: Service, name: str) -> CommandOption | None:
    """Return the option `--name 3` or `--name=3` of a service's start command; only for a number."""
    for index, word in enumerate(service.command):
        if word.text == name and index + 1 < len(service.command):
            after = service.command[index + 1]
            return CommandOption(after, "", after.text, name) if after.text.isdigit() else None
        match = re.match(rf"{re.escape(name)}=(\d+)$", word.text)
        if match is not None:
            return CommandOption(word, f"{name}=", match[1], name)
    return None


def find_numbered_option(service: Service, pattern: re.Pattern[str]) -> CommandOption | None:
    """Return the option that counts of those that the pattern matches (`head`, and `value` if one argument holds
    both)."""
    words, found = arguments_of(service), None
    for word, after in zip_longest(words, words[1:]):
        match = pattern.match(word.text)
        if match is not None and match["value"]:
            found = CommandOption(word, match["head"], match["value"], match["head"])
        elif match is not None and after is not None:
            found = CommandOption(after, "", after.text, word.text)
    return found


def add_option(snapshot: Snapshot, service: Service, option: str, variable: str) -> EditSteps | NotEditable:
    """Return the steps that add an option (`--timeout=9`) to those in the variable that its server reads: behind its
    last one where a file holds them, else in a new variable."""
    if not service.variable_arguments:
        return write_variables(snapshot, service, {variable: option}, replace=True)
    first, last = service.variable_arguments[0], service.variable_arguments[-1]
    file = None if first.file is None else snapshot.file(service.files_node or service.node, first.file)
    if file is None or (first is last and file.data[:first.start or 0][-1:] not in (b'"', b"'")):
        return NotEditable(f"{variable} holds {last.text}, in no quotes that fixer read")      # a blank may end it
    return edit_argument(snapshot, service, last, f"{last.text} {option}", f"add {option} to {variable}")


def edit_option(snapshot: Snapshot, service: Service, option: CommandOption, value: str,
                what: str) -> EditSteps | NotEditable:
    """Return the steps that write another value for the option in the only file that names it."""
    word = option.word
    node = service.files_node or service.node
    file = None if word.file is None else snapshot.file(node, word.file)
    span = None if file is None else _argument_span(file.data, option)
    if file is None or span is None:
        return NotEditable(f"{what} is in its command, and no editable file contains that command")
    return edit_argument_span(service, word, file, span, option.head + value, summary=f"{what}: {value}")


def _argument_span(data: bytes, option: CommandOption) -> tuple[int, int] | None:
    """Return the argument's span; in a nested command, its line must name the option once and literally."""
    word = option.word
    if word.start is not None and word.end is not None:
        return word.start, word.end
    lines = data.split(b"\n")
    if not option.name or not 0 < word.line <= len(lines):
        return None
    gap = b"" if option.head else re.escape(option.name.encode()) + rb"[ \t]+"
    found = list(re.finditer(gap + b"(" + re.escape(word.text.encode()) + rb")(?![\w.])", lines[word.line - 1]))
    if len(found) != 1:
        return None
    before = sum(len(line) + 1 for line in lines[: word.line - 1])
    return before + found[0].start(1), before + found[0].end(1)


# The argument that a server rejects: where it is written, and what may replace it.
_VALUE = r"[^\s'\"\\$%#]+"
_GUNICORN_SETTING = regex(r"^(?!raw_env$)[a-z_]+$")       # raw_env holds variables, which may be secrets
_OPTION_NAME = regex(r"^[a-z][a-z0-9_-]*$")


def option_argument(service: Service, fault: CodeFault) -> CommandArgument | None:
    """Return the value of the named option, else the argument itself; None if the command holds neither."""
    words = service.command
    flag = f"--{fault.name}"
    following = next((words[i + 1] for i in range(len(words) - 1) if words[i].text == flag), None)
    joined = next((word for word in words if word.text.startswith(f"{flag}=")), None)
    return following or joined or next((word for word in words if fault.name and word.text == fault.name), None)


def option_source_text(case: Case, service: Service, fault: CodeFault) -> str:
    """Return file:line of the argument, or of gunicorn's own setting; empty if no file that was read holds it."""
    word = option_argument(service, fault)
    if word is not None:
        return f"{word.file}:{word.line}" if word.file else ""
    file, line = _gunicorn_setting(case.snapshot, service, fault.name)
    return file_line_text(case.snapshot, file.node, file.path, line) if file is not None and line else ""


def gunicorn_setting_evidence(case: Case, service: Service, fault: CodeFault) -> tuple[Evidence, ...]:
    """Return the line of gunicorn's own file with the rejected setting as evidence."""
    file, line = _gunicorn_setting(case.snapshot, service, fault.name)
    if file is None or not line:
        return ()
    return (Evidence("file", file_line_text(case.snapshot, file.node, file.path, line), line_of(file, line)),)


def gunicorn_number(snapshot: Snapshot, service: Service, name: str) -> CommandArgument | None:
    """Return the number that gunicorn's own file sets, with its place; None if it sets none, or computes it."""
    file, number = _gunicorn_setting(snapshot, service, name)
    lines = file.data.split(b"\n") if file is not None else []
    match = re.match(rb"\w+\s*=\s*(\d{1,9})\s*(?:#.*)?$", lines[number - 1]) if 0 < number <= len(lines) else None
    if file is None or match is None:
        return None
    start = sum(len(line) + 1 for line in lines[:number - 1]) + match.start(1)
    return CommandArgument(match[1].decode(), file.path, number, start, start + len(match[1]))


def _gunicorn_setting(snapshot: Snapshot, service: Service, name: str) -> tuple[FileContent | None, int]:
    if service.runtime != "gunicorn" or not _GUNICORN_SETTING.match(name):
        return None, 0
    words = [word.text for word in service.command]
    named = next((words[i + 1] for i in range(len(words) - 1) if words[i] in ("-c", "--config")), "")
    named = named or next((w.partition("=")[2] for w in words if w.startswith("--config=")), "gunicorn.conf.py")
    path = posixpath.normpath(posixpath.join(working_directory_of(service) or "/", named.removeprefix("file:")))
    file = snapshot.file(service.files_node or service.node, path)
    lines = file.data.decode(errors="replace").splitlines() if file is not None else []
    given = regex(rf"^{name}\s*=[^=]")
    return file, next((n for n in range(len(lines), 0, -1) if given.match(lines[n - 1])), 0)


def correct_option_repair(case: Case, crash: FailedRun, fault: CodeFault) -> Repair | None:
    """Return a repair with another value: nginx's port if the rejected value holds just that, else the operator's."""
    service, endpoint = crash.service, crash.failing_addresses[0].endpoint
    word = option_argument(service, fault)
    if word is None or word.text.startswith("-") or not _OPTION_NAME.match(fault.name):
        return None
    port = str(endpoint.port) if fault.name == "port" and endpoint.port else ""
    buried = bool(port) and port in regex(r"\d+").findall(word.text)[:1]
    why = f"the {fault.name} of {service.name}, now {word.text}" + (f"; nginx connects to port {port}" if port else "")
    needs = () if buried else (Need(fault.name, "value", why, pattern=_VALUE),)
    value = port if buried else case.inputs.get(fault.name, "")
    edit = edit_argument(case.snapshot, service, word, value or word.text,
                         f"{fault.name} {value or 'with another value'}")
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    if isinstance(edit, NotEditable) or isinstance(begin, NotEditable):
        return None
    summary = f"set {f'the {fault.name} {value}' if value else f'another {fault.name}'} for {service.name} " \
              f"instead of {word.text}, then start it"
    return Repair("correct-option", "disruptive", summary, (*edit.steps, *begin) if value else (), needs)


def pass_socket_text(crash: FailedRun, fault: CodeFault) -> str:
    """Return what gives a server the socket that its command takes, or lets it open one: where nginx connects."""
    service, endpoint = crash.service, crash.failing_addresses[0].endpoint
    where = f"unix://{endpoint.unix}" if endpoint.unix else f"tcp://{endpoint.host or '127.0.0.1'}:{endpoint.port}"
    opened = "its own address (--host and --port, --uds, --bind) in its command"
    if service.program is not None:
        at = f"{service.program.file}:{service.program.line}"
        return (f"a [program:…] of supervisord passes no socket. Change the section at {at} to [fcgi-program:…] with "
                f"socket={where}, or put {opened} in the place of descriptor {fault.name}")
    if service.unit is not None:
        unit = service.socket.name if service.socket is not None else f"{service.name.removesuffix('.service')}.socket"
        how = f"systemctl start {unit}" if service.socket is not None else f"add a {unit} with ListenStream="
        return f"systemd passed it no socket as descriptor {fault.name}: {how}, or put {opened}"
    return f"nothing that starts it passes a socket as descriptor {fault.name}: put {opened}"


def correct_variable_repair(case: Case, crash: FailedRun, fault: CodeFault) -> Repair | None:
    """Return a repair that replaces a variable's value, which is no number, with the operator's number."""
    service, name = crash.service, fault.name
    place = next((a.defined_in for a in service.env if a.name == name), "")
    value = case.inputs.get(name, "")
    nowhere = NotEditable("no file that was read sets it")
    written = write_variables(case.snapshot, service, {name: value}, replace=True) if place else nowhere
    begin = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    if isinstance(written, NotEditable) or isinstance(begin, NotEditable):
        return None
    need = Need(name, "value", f"{service.name} parses {name} as a number ({place})", pattern=r"-?[0-9]+(?:\.[0-9]+)?")
    return Repair("set-variable", "disruptive", f"set {name} in {written.where}, then start {service.name}",
                  (*written.steps, *begin) if value else (), (need,))
