"""The fault in code or command that ended a program's last run, and its variant, where nothing else explains it better.

A missing variable, a port in use, a signal and a dependency have causes of their own: what the program raises then is
their consequence, whatever its name."""

from __future__ import annotations

from fixer.analysis.dependency.complaint import dependency_complaint
from fixer.analysis.exits.code_error import CodeFault, find_code_fault, find_raised_error
from fixer.analysis.exits.exit_reason import blank_variables, has_variable_or_port_reason
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.kills import last_exit_signal
from fixer.model.facts import Known

_VARIANTS = {
    "import": "start-import-error", "syntax": "start-syntax-error", "target": "start-wrong-app-target",
    "server": "start-server-package-missing", "tls": "start-tls-key-mismatch",
    "descriptor": "start-descriptor-no-socket",
}


def fault_of(crash: FailedRun) -> CodeFault | None:
    """Return the fault that ended the last run, if no variable and no port explains it better.

    Faults of code and command that a server names as such come first. Else it is the exception that the application
    itself raised before it came to serve.
    """
    if has_variable_or_port_reason(crash.end):
        return None
    if blank_variables(crash.end, crash.service):
        return None
    return find_code_fault(crash.end, crash.service.argv) or _raised_error(crash)


def _raised_error(crash: FailedRun) -> CodeFault | None:
    """Return the exception that ended the last run, if no dependency and no signal explains it better.

    A dependency that refuses is named by crash-dependency-down, and a signal by crash-killed or crash-oom.
    """
    if dependency_complaint(crash.end) is not None or last_exit_signal(crash) is not None:
        return None
    return find_raised_error(crash.end)


def variant_of(crash: FailedRun, fault: CodeFault) -> str | None:
    """Return the variant: by a parent process that outlives its failing workers, else by the kind of fault."""
    workers = crash.service.workers
    if fault.boot is not None:
        return "gunicorn-worker-boot-failed"
    if crash.has_running_parent and ("--reload" in crash.service.argv
                                     or (isinstance(workers, Known) and workers.value > 1)):
        return "multiworker-import-loop"
    if fault.kind == "tls" and "SSLError" not in fault.text:
        return None            # an unreadable file does not prove that key and certificate mismatch
    return _VARIANTS.get(fault.kind)
