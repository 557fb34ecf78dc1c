"""The backend ends at once because of an error in its code, or in what it is started with.
nginx finds no listener (`111: Connection refused`, 502). The last exception in the service's log names the place.

By hand
  journalctl -u UNIT -n 50                             # which file, which line? or: docker logs --tail 50 CONTAINER
  systemctl cat UNIT                                   # which INTERPRETER does ExecStart= use, with which options?
  INTERPRETER -m py_compile FILE                       # says nothing: the syntax is right
  INTERPRETER -m pip install PACKAGE
  systemctl reset-failed UNIT; systemctl start UNIT    # or: docker restart CONTAINER

What it is
  The program cannot even be loaded: a package that is not installed, a line that is no Python, a target that names no
  application, a certificate that does not belong to its key. Often after a release, an upgrade of the interpreter, or a
  virtual environment that was rebuilt.

Why nginx says 502
  The program never gets as far as listening: `connect() failed (111: Connection refused) while connecting to upstream`.

How it is told apart
  Its manager says failed (or starts it again and again), and the last exception of its own log since the last start is
  one of code: ModuleNotFoundError, SyntaxError, "Error loading ASGI app", "No module named uvicorn", a failed
  load_cert_chain. A parent of several workers, or one with --reload, stays active in the eyes of systemd while what it
  starts ends at once. A server that does not take an option says so in its own words ("Invalid value for '--port'",
  "unrecognized arguments"). gunicorn says "Worker failed to boot" and exits with 3. An error that one answer ended
  with is none of these: there the program had come up before. A variable that is not set is crash-missing-env, a
  database that refuses is crash-dependency-down. Any other exception that the application's own code raised before it
  came to serve is likely the reason, whatever its name: a value in its settings, a file that it cannot parse. A
  server that is told to take an open descriptor (`--fd 0`) and finds no socket there says "Socket operation on
  non-socket": only an [fcgi-program:x] of supervisord, or a socket unit of systemd, passes one. Where the traceback
  names a file that does not exist and `FILEc` lies beside its place, Python ran that compiled file: it is left of an
  older release.
  An answer that ends early (a 200 that breaks off; `upstream prematurely closed connection while reading upstream`)
  while the service runs on, with a traceback in its log at that moment, is its code too: three times within a minute,
  or once where our own request for a page of that route ends early as well. So is a connection that it closes without
  any answer, with a traceback in its log at that moment: once, where our own request fails, too.

The repair and its safety
  Code is for people: the message names file and line, the module, and the interpreter that lacks it.
  restore-backup (disruptive): where a sound older state of that file lies beside it, a person may choose it.
  previous-release (disruptive): where the service starts behind a link (`current`) and an older release without the
  error lies beside the one that it leads to, a person may choose it (`--set release=FOLDER`): the link leads there
  again. What a release changed elsewhere (a database's tables) is not undone by that.
  correct-option (disruptive): the value that an option is to have, from a person; for the port that nginx asks for,
  with something else written beside it (a comment in an EnvironmentFile is part of the value), just the port.
  set-variable (disruptive): the value of a variable that the program makes a number of, and cannot.
  correct-target (disruptive): the application to serve, where the command names none. What the named module alone has
  for that server (ASGI or WSGI) is taken. Else what was found is offered, first what differs in nothing but its package
  (mysite.wsgi:application, shop.wsgi:application), and a person chooses: another application at this address would be
  worse than none.
  correct-directory (disruptive): it starts inside the package that its command names: the folder above.
  start-in-folder, mount-at-folder (disruptive): its code is mounted in another folder than where its command looks. The
  compose file then starts it there. Where the command itself names its folder, the code is mounted at that one.
  remove-compiled (manual): the compiled file that is left, with the command that lists others like it.
  start-service (safe): the file was changed since the last try, the module is there now, the command names another
  target or value: only a start is left, and whether it is mended only that start tells.

Variants
  start-import-error            a Python module is not installed, or fails at its import
  start-syntax-error            a line of the source is not valid Python
  start-wrong-app-target        the command names a module or an application that does not exist
  start-server-package-missing  uvicorn or gunicorn itself is not installed for that interpreter
  multiworker-import-loop       with --workers or --reload the parent lives, and every worker ends at its start
  gunicorn-worker-boot-failed   gunicorn ends because its workers fail to boot (exit code 3)
  start-tls-key-mismatch        the certificate and its key do not belong together
  start-descriptor-no-socket    its command takes a socket (--fd 0), and its manager passes none
  start-compiled-file-left      Python runs a compiled file (.pyc) whose source a release removed
  app-exception-mid-stream      an exception ends an answer after it began
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import file_line_text, log_evidence, shorten
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.hand_started_run import for_person, hand_started_runs
from fixer.analysis.exits.path_access import denied_folder_of
from fixer.analysis.exits.source_files import find_named_module, line_of, source_file_of
from fixer.analysis.service_state import state_evidence
from fixer.causes.crash_code_error.broken_response import judge_broken_answers
from fixer.causes.crash_code_error.own_error import fault_of, variant_of
from fixer.causes.crash_code_error.stale_module import find_stale_module, remove_compiled_repair
from fixer.causes.crash_code_error.start_folder import (
    find_mounted_folder,
    find_package_folder,
    mounted_code_text,
    start_above_package_repair,
    start_in_mount_repair,
)
from fixer.formats.start_files import names_start_folder
from fixer.model.diagnosis import Confidence, Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known
from fixer.nginx.error_kinds import CUT_IN_BODY, UNANSWERED
from fixer.repairs.command_options import gunicorn_setting_evidence, option_argument
from fixer.repairs.mount_at_folder import find_mount_with, mount_at_folder_repair, mount_evidence
from fixer.repairs.restore_code import code_repairs, find_change_since_exit

if TYPE_CHECKING:
    from fixer.causes.crash_code_error.start_folder import PackageFolder
    from fixer.repairs.mount_at_folder import MountedFolder

def judge(case: Case) -> Verdict:
    """Judge each failed service: is the last error in its log one of code or command?"""
    all_of = failed_runs(case)
    findings: list[Finding] = []
    ruled: list[Evidence] = [*all_of.ruled_out]
    for crash in (*all_of.found, *hand_started_runs(case)):
        fault = fault_of(crash)
        if fault is None or denied_folder_of(case.snapshot, crash, fault):
            last = [line for line in crash.lines if line.text.strip()][-1:]
            ruled += [log_evidence(line.text, line.where) for line in last] or [state_evidence(crash.service)]
        else:
            findings.append(for_person(crash, _found(case, crash, fault)))
    missing = list(all_of.missing)
    if any(event.kind in CUT_IN_BODY | UNANSWERED for nginx in case.snapshot.nginxes if isinstance(nginx.errors, Known)
           for event in nginx.errors.value):
        for outcome in judge_broken_answers(case):
            if isinstance(outcome, str):
                missing.append(outcome)
            else:
                findings.append(outcome)
    return conclude(findings, missing, ruled)


def _found(case: Case, crash: FailedRun, fault: CodeFault) -> Finding:
    service, since = crash.service, find_change_since_exit(case, crash, fault)
    is_sure = crash.owner.certain and fault.kind not in ("own", "raised") and since is None
    confidence: Confidence = "certain" if is_sure else "likely"
    detail = ["nothing listens while it does not run"]
    if crash.has_running_parent:
        detail.insert(0, "its service manager reports it as running: only the workers that it starts end at once")
    summary, evidence = f"{crash.ends_text}: {fault_text(fault)}", _evidence(case, crash, fault)
    there = _mounted_folder(case, crash, fault)
    mounted = "" if there is not None else mounted_code_text(crash, fault)
    if there is not None:
        told = "which its command names" if names_start_folder(crash.service.argv) else "its working directory"
        summary = (f"{summary} in {there.start_folder}, {told}; {there.folder} has it" if fault.kind == "target" else
                   f"{summary}; {there.text}")
        evidence = (evidence[0], there.evidence, *mount_evidence(crash, there), *evidence[1:])
    above = _package_folder(case, crash, fault)
    if above is not None:
        summary = (f"{crash.ends_text}: {fault.name} cannot be imported from {above.folder}, its working "
                   f"directory, but from {above.import_folder}")
        evidence = (evidence[0], *above.evidence, *evidence[1:])
    if mounted:
        confidence, summary = "likely", f"{summary} or which it cannot read: {mounted}"
    variant, stale = variant_of(crash, fault), find_stale_module(case, crash) if since is None else None
    if stale is not None:
        variant, summary = "start-compiled-file-left", f"{summary}; {stale.text}"
        evidence = (evidence[0], *stale.evidence, *evidence[1:])
    if since is not None:
        summary = f"{service.name} ended at once: {fault_text(fault)}; {since.text}"
        evidence = tuple(dict.fromkeys((evidence[0], *since.evidence, *evidence[1:])))
    return Finding(
        cause=CAUSE.id, variant=variant, role="root", confidence=confidence,
        summary=summary, detail=tuple(detail), routes=crash.routes, service=service.name, node=service.node,
        evidence=evidence,
        repairs=(remove_compiled_repair(crash, stale),) if stale is not None else (
                  *_mount_repairs(case, crash, fault, there), *_start_above_repairs(case, crash, above),
                 *code_repairs(case, crash, fault, since)),
        is_over=since is not None and since.is_cure,
    )


def _mounted_folder(case: Case, crash: FailedRun, fault: CodeFault) -> MountedFolder | None:
    if crash.service.container is None:
        return None
    if fault.kind == "target":
        return find_mounted_folder(case, crash, fault)
    is_path = fault.kind == "import" and fault.name.startswith("/")        # of Node
    return find_mount_with(case.snapshot, crash.service, fault.name) if is_path else None


def _package_folder(case: Case, crash: FailedRun, fault: CodeFault) -> PackageFolder | None:
    if fault.kind != "target" or crash.service.container is not None:
        return None
    return find_package_folder(case, crash, fault)


def _start_above_repairs(case: Case, crash: FailedRun, above: PackageFolder | None) -> tuple[Repair, ...]:
    if above is None:
        return ()
    return (start_above_package_repair(case, crash, above),)


def _mount_repairs(case: Case, crash: FailedRun, fault: CodeFault, there: MountedFolder | None) -> tuple[Repair, ...]:
    if there is None:
        return ()
    moved = start_in_mount_repair(case, crash, there) if fault.kind == "target" else None
    return (moved or mount_at_folder_repair(case, crash, there),)


def fault_text(fault: CodeFault) -> str:
    """Return the fault as a short phrase for the summary."""
    at = f" ({fault.file_line})" if fault.file_line else ""
    match fault.kind:
        case "import":
            missing = fault.text.rpartition(": ")[0].endswith("ModuleNotFoundError") or "No module" in fault.text
            return f"the module {fault.name} is missing{at}" if missing else f"{shorten(fault.text, 120)}{at}"
        case "syntax":
            return f"{fault.file_line} is not a valid program: {shorten(fault.text, 120)}"
        case "target":
            return f"its command names {fault.name or 'an application'}, which does not exist"
        case "server":
            return f"its interpreter has no {fault.name}"
        case "tls":
            return f"its certificate and key cannot be loaded: {shorten(fault.text, 120)}"
        case "value":
            return f"the value of its variable {fault.name} is rejected: {shorten(fault.text, 120)}"
        case "descriptor":
            return f"it takes its socket from descriptor {fault.name}, which is no socket ({shorten(fault.text, 120)})"
        case "option":
            return f"its command is rejected: {shorten(fault.text, 160)}"
        case _:
            return f"{shorten(fault.text, 120)}{at}"


def _evidence(case: Case, crash: FailedRun, fault: CodeFault) -> tuple[Evidence, ...]:
    boot = (log_evidence(fault.boot.text, fault.boot.where),) if fault.boot is not None else ()
    return tuple(dict.fromkeys((
        log_evidence(fault.log_line.text, fault.log_line.where), *_source_evidence(case, crash, fault), *boot,
        *crash.symptoms(case),
    )))


def _source_evidence(case: Case, crash: FailedRun, fault: CodeFault) -> tuple[Evidence, ...]:
    """Return the faulty line of code on disk, or the target, variable or option in the service's configuration."""
    file = source_file_of(case.snapshot, crash.service, fault.file)
    if file is not None and fault.line and line_of(file, fault.line):
        return (Evidence("file", file_line_text(case.snapshot, file.node, file.path, fault.line),
                         line_of(file, fault.line)),)
    if fault.kind == "target":
        module = find_named_module(case.snapshot, crash.service)
        own = [name.partition(":")[2] for name in module.applications] if module is not None else []
        return (*(
            Evidence("file", file_line_text(case.snapshot, crash.service.files_node, word.file, word.line), word.text)
            for word in crash.service.command if word.text == fault.name and word.file
        ), *((Evidence("file", module.file.path, f"has {' and '.join(own)}"),) if module is not None and own else ()))
    if fault.kind == "value":
        return tuple(Evidence("file", a.defined_in, f"{a.name}… is set") for a in crash.service.env
                     if a.name == fault.name and a.defined_in)
    if fault.kind == "option":
        word = option_argument(crash.service, fault)
        if word is not None and word.file:
            return (Evidence("file", file_line_text(case.snapshot, crash.service.files_node, word.file, word.line),
                             word.text),)
        return gunicorn_setting_evidence(case, crash.service, fault)
    return ()


CAUSE = Cause(
    id="crash-code-error",
    title="the backend ends at once: an error in its code or in its command",
    family="backend crashed, or exits at once",
    variants=(
        "start-import-error", "start-syntax-error", "start-wrong-app-target", "start-server-package-missing",
        "multiworker-import-loop", "gunicorn-worker-boot-failed", "start-tls-key-mismatch",
        "start-descriptor-no-socket", "start-compiled-file-left", "app-exception-mid-stream",
    ),
    verdict=judge,
    page=__doc__,
)
