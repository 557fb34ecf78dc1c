"""The word of a command that a server does not take: where it is written, and what may stand there instead."""

from __future__ import annotations

from fixer.causes.case import Case
from fixer.causes.changes.editing import NoPlace
from fixer.causes.changes.starting import begin_steps
from fixer.causes.endings.codefaults import CodeFault
from fixer.causes.endings.commandwords import edit_word
from fixer.causes.endings.crashing import Crash
from fixer.model.diagnosis import Need, Repair
from fixer.model.regex import regex
from fixer.model.snapshot import ArgPlace, Service

_VALUE = r"[^\s'\"\\$%#]+"
_KEY = regex(r"^[a-z][a-z0-9_-]*$")


def option_word(service: Service, fault: CodeFault) -> ArgPlace | None:
    """The value of the option that is named, else the word itself; None where the command holds neither."""
    words = service.command
    flag = f"--{fault.name}"
    following = next((words[i + 1] for i in range(len(words) - 1) if words[i].text == flag), None)
    joined = next((word for word in words if word.text.startswith(f"{flag}=")), None)
    return following or joined or next((word for word in words if fault.name and word.text == fault.name), None)


def option_place(service: Service, fault: CodeFault) -> str:
    """` at file:line`, empty where it is written nowhere that was read."""
    word = option_word(service, fault)
    return f" at {word.file}:{word.line}" if word is not None and word.file else ""


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
