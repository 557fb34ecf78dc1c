"""The repair of a command that names an application which its module does not have: another name, of what was found.

What the named module alone defines for its server is taken: nothing else can be meant. Else a person chooses.
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.source_files import NamedModule, find_applications, find_named_module
from fixer.formats.start_files import CALLABLE_OPTIONS, find_missing_module, target_of
from fixer.model.diagnosis import Need, Repair
from fixer.model.snapshot import CommandArgument, Service
from fixer.repairs.command_options import edit_argument
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.start_service import start_or_restart_steps

TARGET_KEY = "target"
_TARGET_PATTERN = r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*"


def correct_target_repair(case: Case, crash: FailedRun, fault: CodeFault) -> Repair:
    """Return the edit of the command and the start. By hand where its file cannot be edited."""
    service = crash.service
    written, module = target_of(service.argv) or fault.name, find_named_module(case.snapshot, service)
    own = module.applications if module is not None else ()
    others = sorted(find_applications(case.snapshot, service),
                    key=lambda one: not _is_renamed_package(written, one))     # the likelier ones first
    found = tuple(dict.fromkeys((*own, *others)))
    what = f"the application that {service.name} should serve, now {written}"
    rivals = {one.partition(":")[2] for one in (*own[1:], *others) if one not in own[:1]}
    sure = own[0] if module is not None and module.complete and len(own) == 1 and _is_only_name(
        service, written, fault) and written.partition(":")[2] not in {*rivals, own[0].partition(":")[2]} else None
    need = Need(TARGET_KEY, "choice", what, found, default=sure) if found else Need(
        TARGET_KEY, "value", what, pattern=_TARGET_PATTERN)
    chosen = case.inputs.get(TARGET_KEY, sure or "")
    word, text = _word_of(service, written, chosen)
    meant = f"{sure}, the only application of {module.file.path}" if sure and module else "its application"
    summary = f"point {service.name} at {meant}, then start it"
    edit = NotEditable("no file that fixer read contains the target of its command") if word is None else \
        edit_argument(case.snapshot, service, word, text or word.text, f"serve {chosen or 'another target'}")
    begin = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    if isinstance(edit, NotEditable) or isinstance(begin, NotEditable):
        why = edit.reason if isinstance(edit, NotEditable) else begin.reason if isinstance(begin, NotEditable) else ""
        manual = f"change {what} ({_found_text(found, module)}); fixer cannot do this: {why}"
        return Repair("correct-target", "manual", summary, (), (need,), manual)
    return Repair("correct-target", "disruptive", summary, (*edit.steps, *begin) if chosen else (), (need,))


def _found_text(found: tuple[str, ...], module: NamedModule | None) -> str:
    if found:
        return f"found: {', '.join(found)}"
    return ("its module was not read" if module is None else
            f"{module.file.path} has no application that fixer knows as one")


def _is_only_name(service: Service, written: str, fault: CodeFault) -> bool:
    """Return whether only the name in the module is wrong: the module is found, and the target is to be the application
    itself, no function that makes one."""
    return not find_missing_module(fault.text) and "(" not in written and "--factory" not in service.argv


def _word_of(service: Service, written: str, chosen: str) -> tuple[CommandArgument | None, str]:
    """Return the argument to edit, and its new text: the target, or what names its attribute alone (uWSGI)."""
    whole = next((word for word in service.command if word.text == written), None)
    if whole is not None:
        return whole, chosen
    glued = next((word for word in service.command if word.text.endswith(f"={written}")), None) if written else None
    if glued is not None:
        return glued, glued.text.removesuffix(written) + (chosen or written)
    module, _, name = chosen.partition(":")
    words = service.command
    after = next((words[i + 1] for i in range(len(words) - 1) if words[i].text in CALLABLE_OPTIONS), None)
    is_same = not chosen or module == written.partition(":")[0]
    return (after, name) if after is not None and is_same else (None, "")


def _is_renamed_package(written: str, other: str) -> bool:
    """Return whether only the package differs: `mysite.wsgi:application`, `shop.wsgi:application`."""
    package, _, rest = written.rpartition(".")
    return bool(package) and other.rpartition(".")[2] == rest and other.count(".") == written.count(".")
