"""What a person does about an error in code or command, and how an interpreter gets a package for good."""

from __future__ import annotations

import posixpath
import re
from itertools import pairwise

from fixer.analysis.case import Case
from fixer.analysis.evidence import container_of, file_line_text, shorten
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.source_files import line_of, source_file_of
from fixer.analysis.service_state import start_text_of
from fixer.formats.launchers import skip_launchers
from fixer.formats.start_files import installed_module_paths, virtualenv_of
from fixer.lazy.regex import regex
from fixer.model.snapshot import Service
from fixer.repairs.command_options import (
    TLS_OPTIONS,
    gunicorn_setting_evidence,
    option_source_text,
    option_value,
    pass_socket_text,
)

_PLUGIN = regex(r"--(?:need-)?plugins?=(?:[a-z0-9_]+,)*(?P<name>python[0-9.]*)(?:,[a-z0-9_,]*)?")
_DISTRIBUTION_FOLDERS = ("/usr/bin", "/bin")     # pip changes nothing there: its packages come from the distribution
_PATH_VALUE = regex(r"\bPATH[=:] ?[\"']?(?P<value>/[^\s\"']*)")


def manual_text(case: Case, crash: FailedRun, fault: CodeFault) -> str:
    """Return the instruction for the fault, and the start after it."""
    service, box = crash.service, crash.service.container
    again = f"then {start_text_of(service)}"
    add = install_text(case, service, fault.name)
    file = source_file_of(case.snapshot, service, fault.file)
    code = line_of(file, fault.line) if file is not None and fault.line else fault.code
    at = f"{fault.file_line}: {shorten(code, 120)}" if fault.file_line and code else fault.file_line
    match fault.kind:
        case "import" if fault.name.count(".") and "No module" in fault.text:
            package, _, module = fault.name.rpartition(".")
            variable = _variable_naming_module(case, service, fault.name)
            by = f", or correct {variable}, which names it" if variable else f", or remove it from {at}" if at else ""
            return f"{package} exists, but it contains no {module}: restore that file or folder{by}; {again}"
        case "import" if fault.name.startswith("/"):
            place = f", in its image (now {box.image}) or by a mount" if box is not None else ""
            return f"restore {fault.name}{place}, or correct the command or file that names it; {again}"
        case "import" if there := _other_python_folder(case, service, fault.name):
            return (f"{there} contains {fault.name} for another Python than the one that runs now (the target of the "
                    f"Python link was upgraded): recreate the environment (python3 -m venv --clear "
                    f"{virtualenv_of(service.argv)}, then install its requirements); {again}")
        case "import" if "No module" in fault.text or "Cannot find" in fault.text:
            by = f", or remove it from {at}" if at else ""
            if at and code and fault.name.split(".")[0] not in code:      # loaded by name
                by = f", or remove it from the setting that names it to {fault.file_line} (such as INSTALLED_APPS)"
            return f"{add}{by}; {again}"
        case "server":
            return (f"make its command{_command_source_text(case, service)} use an interpreter that has {fault.name}, "
                    f"or {add}; {again}")
        case "tls":
            paths = [w.text for named in TLS_OPTIONS.values() for w in [option_value(service, named)] if w is not None]
            named = ", ".join(paths) or "see its log"
            return f"key and certificate do not match, or are missing ({named}): {shorten(fault.text, 160)}; {again}"
        case "value":
            said = shorten(fault.text, 120)
            return f"set {fault.name} to a value that {service.name} parses as a number ({said}); {again}"
        case "descriptor":
            return f"{pass_socket_text(crash, fault)}; {again}"
        case "option":
            line = option_source_text(case, service, fault)
            what = line if gunicorn_setting_evidence(case, service, fault) else \
                f"the command of {service.name}{f' at {line}' if line else ''}"
            return f"correct {what} ({shorten(fault.text, 160)}); {again}"
        case _:
            return f"correct {at or 'the error in its log'} ({shorten(fault.text, 160)}); {again}"


def _variable_naming_module(case: Case, service: Service, module: str) -> str:
    """Return the environment variable that names the module, and where it is set; never the rest of its value."""
    for given in service.env:
        path, _, line = given.defined_in.rpartition(":")
        file = case.snapshot.file(service.files_node or service.node, path) if line.isdigit() else None
        text = line_of(file, int(line)) if file is not None else ""
        if re.search(rf"\b{re.escape(given.name)}[=:] ?[\"']?{re.escape(module)}(?!\w)", text):
            return f"{given.name} at {given.defined_in}"
    return ""


def _other_python_folder(case: Case, service: Service, module: str) -> str:
    """Return the folder of the service's own environment that has the module, though the program did not find it."""
    found = (path for path in installed_module_paths(service.argv, module)
             if case.snapshot.file(service.node, path) is not None)
    path = next(found, "")
    return path.partition("/site-packages/")[0] + "/site-packages" if path else ""


def _command_source_text(case: Case, service: Service) -> str:
    first = next((word for word in service.command if word.file), None)
    if first is None or first.file is None:
        return ""
    return f" (at {file_line_text(case.snapshot, service.files_node, first.file, first.line)})"


def install_text(case: Case, service: Service, name: str) -> str:
    """Return what adds a package. What is installed in a container is gone with it: its image must hold the package."""
    box = service.container or container_of(case.snapshot, service.node)
    user = _interpreter_text(case, service)
    if box is None or box.is_machine:
        return f"install the package that provides {name} for {user} ({_command_text(case, service)})"
    return (f"rebuild the image {box.image} with the package that provides {name} for {user} (installed in the "
            "container alone, it is gone with the next one)")


def _command_text(case: Case, service: Service) -> str:
    """Return the command that adds a package, for the runtime of the service."""
    if service.runtime == "node":
        where = service.start_folder
        return f"npm install … in {where}" if where else "npm install … in its folder"
    interpreter, first = _interpreter_of(case, service), _program_of(service)
    if posixpath.dirname(interpreter or first) in _DISTRIBUTION_FOLDERS:
        return "the distribution's package python3-…, or pip in a virtual environment"
    return f"{interpreter} -m pip install …" if interpreter else (
        f"the first line of {first or 'its program'} names it: run that with -m pip install …")


def _interpreter_text(case: Case, service: Service) -> str:
    """Return the interpreter for people: its path, uWSGI's plugin, or the program that the first line of starts it."""
    interpreter = _interpreter_of(case, service)
    if interpreter:
        return interpreter
    plugin = next(filter(None, map(_plugin_of, pairwise((*service.argv, "")))), "")
    if plugin:
        return f"uWSGI's plugin {plugin}"
    program = "Node.js" if service.runtime == "node" else "Python"
    return f"the {program} that runs {_program_of(service) or service.name}"


def _program_of(service: Service) -> str:
    """Return the program of its command, behind what only launches it (docker-init, env, sudo)."""
    return next(iter(service.argv[skip_launchers(service.argv):]), "")


def _plugin_of(words: tuple[str, str]) -> str:
    """Return the name of Python's plugin in two words of a command of uWSGI: `--plugin python3`, `--plugins=python`."""
    found = _PLUGIN.fullmatch("=".join(words)) or _PLUGIN.fullmatch(words[0])
    return found["name"] if found is not None else ""


def _interpreter_of(case: Case, service: Service) -> str:
    """Return the interpreter that its command or its PATH names; empty if only the program's own file names it."""
    first = _program_of(service)
    name = first.rsplit("/", 1)[-1]
    if name.startswith(("python", "pypy", "node")) and "/" in first:
        return first
    environment = virtualenv_of((first,)) if "/" in first else _virtualenv_in_path(case, service)
    if environment:
        return f"{environment}/bin/python3"
    return first if name.startswith(("python", "pypy", "node")) else ""


def _virtualenv_in_path(case: Case, service: Service) -> str:
    """Return the virtual environment whose programs its own PATH finds first; empty if its files set none."""
    for path, line in ((given.defined_in.rpartition(":")[0], given.defined_in.rpartition(":")[2])
                       for given in service.env if given.name == "PATH"):
        file = case.snapshot.file(service.files_node or service.node, path) if line.isdigit() else None
        found = _PATH_VALUE.search(line_of(file, int(line))) if file is not None else None
        folders = found["value"].split(":") if found is not None else ()
        return next((root for folder in folders if (root := virtualenv_of((f"{folder}/python3",)))), "")
    return ""
