"""The word of a command that a server does not take: where it is written, and what may stand there instead."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import place
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.exec_step import directory_of
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.exits.source_files import line_of
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import ArgPlace, FileContent, Service
from fixer.repairs.command_options import edit_word
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import begin_steps

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
