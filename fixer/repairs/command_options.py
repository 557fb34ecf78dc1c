"""Words of a service's command: the value of an option, and one replaced where it is written (a unit file, a drop-in,
a wrapper, a compose file)."""

from __future__ import annotations

import posixpath
import re

from fixer.analysis.case import Case
from fixer.analysis.evidence import place
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.exec_step import directory_of
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.exits.source_files import line_of
from fixer.analysis.load.pressure import Pressure
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.plan import DaemonReload, WriteFile
from fixer.model.snapshot import ArgPlace, Endpoint, FileContent, Service, Snapshot
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import begin_steps
from fixer.repairs.write_variables import Written, write_variables

TLS_OPTIONS = {"key": ("--ssl-keyfile", "--keyfile"), "cert": ("--ssl-certfile", "--certfile")}


def option_value(service: Service, options: tuple[str, ...]) -> ArgPlace | None:
    """The word after the first of these options, None where its command has none."""
    words = service.command
    return next((words[i + 1] for i in range(len(words) - 1) if words[i].text in options), None)


def edit_word(snapshot: Snapshot, service: Service, word: ArgPlace, new: str, summary: str) -> Written | NoPlace:
    """The steps that write `new` in the place of the word's text, and make systemd read it."""
    node = service.files_node or service.node
    file = None if word.file is None else snapshot.file(node, word.file)
    if file is None or word.start is None or word.end is None:
        return NoPlace(f"{word.text} stands in its command, and that is written nowhere that could be edited")
    return replace_span(service, word, file, (word.start, word.end), new, summary=summary)


def replace_span(
    service: Service, word: ArgPlace, file: FileContent, span: tuple[int, int], new: str, *, summary: str,
) -> Written | NoPlace:
    """The same for a place that was found otherwise; a file that no longer holds the word there is left alone."""
    start, end = span
    if file.data[start:end] != word.text.encode("utf-8", "surrogateescape"):
        return NoPlace(f"{file.path} does not hold {word.text} where it was read")
    node = service.files_node or service.node
    data = file.data[:start] + new.encode() + file.data[end:]
    step = WriteFile(node, file.real_path, file.data, data, summary, in_place=file.single_file_mount)
    is_unit = service.unit is not None and word.file in (service.unit.fragment_path, *service.unit.drop_in_paths)
    steps = (step, DaemonReload(node)) if is_unit else (step,)
    return Written(steps, file.real_path, file.managed_by)


# More worker processes for a service: how many, and where the number is written.
ID = "add-workers"
KEY = "workers"
VARIABLE = "WEB_CONCURRENCY"
_READS_VARIABLE = frozenset({"uvicorn", "gunicorn", "fastapi"})
_SPARE = 4                   # arrivals are uneven, and workers do not take turns
_BRIDGE = 2
_FEWEST, _MOST = 8, 16       # of a default: fewer are too few for uneven arrivals, more cost memory for nothing
_OPTION = regex(r"^(?P<head>--workers=|--workers$|-w$|-w=?(?=\d)|-W$)(?P<value>\d*)$")


def add_workers(case: Case, pressure: Pressure, workers: int, *, each: int = 1) -> Repair:
    """The repair: complete with the computed number, or with the one a person has given. `each` is how many requests a
    worker serves at once."""
    if each > 1:
        default = min(-(-_wanted(pressure) // each) + workers * 2, _MOST)      # they come in waves, and unevenly
    else:
        default = min(max(_wanted(pressure) + _SPARE, workers * 2, _FEWEST), _MOST)
    if default <= workers:
        default = workers * 2
    return _more(case, pressure.service, pressure.trouble.endpoint, workers, default)


def workers_for(case: Case, service: Service, endpoint: Endpoint) -> Repair:
    """A second worker for a server that ends its only one now and then: the parent goes on listening."""
    return _more(case, service, endpoint, 1, _BRIDGE)


def _more(case: Case, service: Service, endpoint: Endpoint, workers: int, default: int) -> Repair:
    need = Need(KEY, "value", f"worker processes of {service.name}, now {workers}", default=str(default),
                pattern="[1-9][0-9]?")
    chosen = case.inputs.get(KEY, str(default))
    written = _write(case.snapshot, service, chosen)
    begin = begin_steps(case.snapshot, service, endpoint)
    from fixer.repairs.resource_limits import Setting, set_and_begin  # only where something is found

    does = f"{chosen} workers instead of {workers}"
    return set_and_begin(Setting(
        ID, f"more workers for {service.name}", need, does, by_hand=f"run {service.name} with {does}",
        then=f"restart {service.name}",
    ), written, begin)


def _wanted(pressure: Pressure) -> int:
    """As many as requests are under way now: each has waited longer than it needs, so there will never be more at once
    when they are served in time. What its client has given up still queues and wants no worker of its own."""
    return pressure.established or pressure.queued


def _write(snapshot: Snapshot, service: Service, number: str) -> Written | NoPlace:
    if "--reload" in service.argv:
        return NoPlace("it runs with --reload, which allows one worker only")
    option = numbered_option(service.command, _OPTION)
    if option is not None:
        return edit_option(snapshot, service, option, number, "the number of workers")
    if any(_OPTION.match(word) for word in service.argv):
        return NoPlace("the number of workers stands in its command, and that is written nowhere that could be edited")
    if service.runtime not in _READS_VARIABLE:
        return NoPlace(f"{service.runtime or 'its server'} takes no number of workers from the environment")
    if isinstance(service.workers, Known):
        for evidence in service.workers.evidence:
            if evidence.where.rpartition(":")[0].endswith(".py"):
                return NoPlace(f"{evidence.where} sets it, and wins over the environment: change it there")
    return write_variables(snapshot, service, {VARIABLE: number}, replace=True)


# One option of a service's command, changed where it is written.


@dataclass(frozen=True, slots=True)
class Option:
    """The word that holds an option's value, and what of the word stands before the value."""

    word: ArgPlace
    head: str
    value: str
    name: str = ""


def find_option(service: Service, name: str) -> Option | None:
    """`--name 3` or `--name=3` in the command that starts a service; a number only."""
    for index, word in enumerate(service.command):
        if word.text == name and index + 1 < len(service.command):
            after = service.command[index + 1]
            return Option(after, "", after.text, name) if after.text.isdigit() else None
        match = re.match(rf"{re.escape(name)}=(\d+)$", word.text)
        if match is not None:
            return Option(word, f"{name}=", match[1], name)
    return None


def numbered_option(command: tuple[ArgPlace, ...], pattern: re.Pattern[str]) -> Option | None:
    """The first word that the pattern knows (`head`, and `value` where the number stands in the same word)."""
    for index, word in enumerate(command):
        match = pattern.match(word.text)
        if match is not None and match["value"]:
            return Option(word, match["head"], match["value"], match["head"])
        if match is not None and index + 1 < len(command):
            return Option(command[index + 1], "", command[index + 1].text, word.text)
    return None


def edit_option(snapshot: Snapshot, service: Service, option: Option, value: str, what: str) -> Written | NoPlace:
    """Another value for the option, in the one place that names it."""
    word = option.word
    node = service.files_node or service.node
    file = None if word.file is None else snapshot.file(node, word.file)
    span = None if file is None else _span(file.data, option)
    if file is None or span is None:
        return NoPlace(f"{what} stands in its command, and that is written nowhere that could be edited")
    return replace_span(service, word, file, span, option.head + value, summary=f"{what}: {value}")


def _span(data: bytes, option: Option) -> tuple[int, int] | None:
    """Where the word stands; inside a command within a command, where its line names the option once and as it is."""
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


# The word of a command that a server does not take: where it is written, and what may stand there instead.
_VALUE = r"[^\s'\"\\$%#]+"
_SETTING = regex(r"^(?!raw_env$)[a-z_]+$")       # that one holds variables, which may be secrets
_KEY = regex(r"^[a-z][a-z0-9_-]*$")


def option_word(service: Service, fault: CodeFault) -> ArgPlace | None:
    """The value of the option that is named, else the word itself; None where the command holds neither."""
    words = service.command
    flag = f"--{fault.name}"
    following = next((words[i + 1] for i in range(len(words) - 1) if words[i].text == flag), None)
    joined = next((word for word in words if word.text.startswith(f"{flag}=")), None)
    return following or joined or next((word for word in words if fault.name and word.text == fault.name), None)


def option_place(case: Case, service: Service, fault: CodeFault) -> str:
    """file:line of the word, or of the line in gunicorn's own file; empty where it is written nowhere that was read."""
    word = option_word(service, fault)
    if word is not None:
        return f"{word.file}:{word.line}" if word.file else ""
    file, line = _setting(case, service, fault.name)
    return place(case.snapshot, file.node, file.path, line) if file is not None and line else ""


def setting_evidence(case: Case, service: Service, fault: CodeFault) -> tuple[Evidence, ...]:
    """The line of gunicorn's own file that gives what is not taken."""
    file, line = _setting(case, service, fault.name)
    if file is None or not line:
        return ()
    return (Evidence("file", place(case.snapshot, file.node, file.path, line), line_of(file, line)),)


def _setting(case: Case, service: Service, name: str) -> tuple[FileContent | None, int]:
    if service.runtime != "gunicorn" or not _SETTING.match(name):
        return None, 0
    words = [word.text for word in service.command]
    named = next((words[i + 1] for i in range(len(words) - 1) if words[i] in ("-c", "--config")), "")
    named = named or next((w.partition("=")[2] for w in words if w.startswith("--config=")), "gunicorn.conf.py")
    path = posixpath.normpath(posixpath.join(directory_of(service) or "/", named.removeprefix("file:")))
    file = case.snapshot.file(service.files_node or service.node, path)
    lines = file.data.decode(errors="replace").splitlines() if file is not None else []
    given = regex(rf"^{name}\s*=[^=]")
    return file, next((n for n in range(len(lines), 0, -1) if given.match(lines[n - 1])), 0)


def correct_option(case: Case, crash: Crash, fault: CodeFault) -> Repair | None:
    """Another value in its place: the port that nginx asks for where just that is buried in it, else a person's."""
    service, endpoint = crash.service, crash.troubles[0].endpoint
    word = option_word(service, fault)
    if word is None or word.text.startswith("-") or not _KEY.match(fault.name):
        return None
    port = str(endpoint.port) if fault.name == "port" and endpoint.port else ""
    buried = bool(port) and port in regex(r"\d+").findall(word.text)[:1]
    why = f"the {fault.name} of {service.name}, now {word.text}" + (f"; nginx asks for {port}" if port else "")
    needs = () if buried else (Need(fault.name, "value", why, pattern=_VALUE),)
    value = port if buried else case.inputs.get(fault.name, "")
    edit = edit_word(case.snapshot, service, word, value or word.text, f"{fault.name} {value or 'with another value'}")
    begin = begin_steps(case.snapshot, service, endpoint)
    if isinstance(edit, NoPlace) or isinstance(begin, NoPlace):
        return None
    summary = f"give {service.name} {f'the {fault.name} {value}' if value else f'another {fault.name}'} " \
              f"instead of {word.text}, then start it"
    return Repair("correct-option", "disruptive", summary, (*edit.steps, *begin) if value else (), needs)
