"""The unit file asks for something that the machine does not have, or systemd has not read it since it was changed.
The program never listens (`111: Connection refused`, 502). systemd names the failed step: correct the unit, start it.

By hand
  systemctl status UNIT; journalctl -u UNIT -n 20              # which step, which path?
  systemctl cat UNIT; ls -l PATH; head -1 PATH | od -c         # CR at the end of the line: Windows line ends
  systemctl edit --full UNIT                                   # correct the line
  systemctl daemon-reload; systemctl reset-failed UNIT; systemctl start UNIT  # the same process on an old port: restart
  supervisorctl update PROGRAM; supervisorctl start PROGRAM    # after the program's file is corrected

What it is
  systemd prepares a start: it changes to the working directory, looks up the account, builds the sandbox, runs the
  ExecStartPre= commands, then executes the program. Where one of these fails, the program never runs, and systemd says
  at which step: 200 CHDIR, 203 EXEC, 216 GROUP, 217 USER, 226 NAMESPACE. A venv that moved, an account that was never
  made, a script without its execute bit or with Windows line ends, a folder that a release renamed.

Why nginx says 502
  The program never listens: `connect() failed (111: Connection refused) while connecting to upstream`.

  supervisord does the same before it starts a program: `can't find command`, `command at … is not executable`,
  `couldn't chdir to …`. A program that is stopped it refuses to start without a line in any log; the disk shows why.

How it is told apart
  crash-*: there the program ran and its own log says why it ended. Here the log holds no word of it, only systemd's
  `Failed at step EXEC spawning …`, and the file system shows what is missing. 203 has three faces: the program is not
  there; it is there without its execute bit; it is there, and the interpreter of its first line is not.
  A failed ExecStartPre= shows as a control process, not a main one. Type=notify, WatchdogSec= and RuntimeMaxSec= end a
  program that is well: it answers, systemd's own line says that it ran out of time, and the next start does the same.
  stop-timeout-sigkill: something restarts the service again and again (a timer, a deployment), and it is killed before
  its requests are done: systemd says `State 'stop-sigterm' timed out. Killing.` as many seconds after `Stopping` as
  TimeoutStopSec= allows, and nginx loses requests at that moment (`upstream prematurely closed connection`), more than
  once within a quarter of an hour. One such stop is over. A kill by others (crash-killed) comes without that line.
  NeedDaemonReload=yes with a process on another port than the file says: the edit was never read. The same where the
  file that says so (a unit, its EnvironmentFile, a program of supervisord) was edited after the start: nginx asks there
  already, and to point nginx at the old port would last until the next restart.

The repair and its safety
  Where the disk shows what was meant (the program of that name in the unit's own environment, the one folder that holds
  the application's file), the unit's line is corrected, systemd reads it, and the unit is started (disruptive). Where
  several could be meant, or an account has to be chosen, a person says which. A path of the sandbox that is not there
  is made optional (a dash before it; what is forbidden stays so), unless something is to be mounted there.
  restore-backup (disruptive): where a person has to say or to do something, and a whole older state of the unit file or
  drop-in lies beside it (shop.service.bak, ~, .dpkg-old, .rpmsave), or the packaged unit file that one in /etc stands
  before, with the same command, port and application, and the program, folder, account and paths that it names are
  there: a person may choose it (`--set restore-from=PATH`). The file gets those bytes and keeps its mode.
  raise-start-timeout (disruptive): where the unit's files give a start that its program announces itself (Type=notify)
  less than systemd's own 90 seconds, it is cut off before it is up, and its log tells no error: 90 are written there.
  correct-unit (manual): a line that systemd cannot use (a relative path in ExecStart=, no command at all) keeps it from
  loading the unit; the message names the file and line that its journal names.
  raise-stop-timeout (disruptive): a longer TimeoutStopSec=, 90 s unless `--set stop-timeout=N` says otherwise, without
  a restart. Undo puts back every byte and mode.

Variants
  start-203-exec-missing          the program of ExecStart= does not exist
  start-203-exec-not-executable   the program of ExecStart= has no execute bit
  start-203-exec-bad-interpreter  the interpreter in the first line of the program does not exist
  start-200-chdir                 WorkingDirectory= does not exist, or the account may not enter it
  start-217-user                  the account of User= does not exist
  start-216-group                 the group of Group= does not exist
  start-226-namespace             a path that the sandbox of the unit names does not exist
  start-execstartpre-failed       a command before the program (ExecStartPre=) fails
  unit-edited-no-daemon-reload    the unit was edited, and systemd or the service has not read it
  start-type-notify-timeout       Type=notify, and the server never says that it is ready
  unit-watchdog-restarts          WatchdogSec= or RuntimeMaxSec= ends a program that is well
  start-timeout-too-short         TimeoutStartSec= ends the start before it is complete
  unit-not-loaded                 systemd cannot load the unit: a line of it is wrong
  start-step-failed               another step of the start fails, as systemd's own line says
  start-execstartpost-failed      a command after the start (ExecStartPost=) fails
  stop-timeout-sigkill            it is killed while it stops, before its requests are done
  container-cannot-start          Docker cannot start the container: its command, account, folder or port is wrong
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.exec_step import CAUSE_ID, StepExplanation, StepFailure, step_failure
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.service_state import state_evidence
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service

with lazy_imports():  # only for what is found
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.causes.unit_misconfigured.exec_program import judge_program
    from fixer.causes.unit_misconfigured.missing_place import judge_account, judge_folder, judge_sandbox
    from fixer.causes.unit_misconfigured.older_unit_file import add_older_file
    from fixer.causes.unit_misconfigured.start_steps import judge_start_post, judge_step
    from fixer.causes.unit_misconfigured.stop_timeout import judge_stop_kills
    from fixer.causes.unit_misconfigured.stopped_by_systemd import (
        judge_start_pre,
        judge_systemd_stop,
        restarted_unit_runs,
    )
    from fixer.causes.unit_misconfigured.unread_files import explain_unloaded, explain_unread_edit
    from fixer.causes.unit_misconfigured.unstarted_program import explain_wrapped_program, refused_programs
    from fixer.repairs.container_start import explain_failed_container

_STEP_JUDGES: Mapping[int, Callable[[Case, FailedRun, StepFailure], StepExplanation | str]] = {
    200: judge_folder, 203: judge_program, 216: judge_account, 217: judge_account, 226: judge_sandbox,
}


def judge(case: Case) -> Verdict:
    """Judge each failed unit: was it systemd that could not start the program?"""
    all_of = failed_runs(case)
    findings: list[Finding] = []
    missing: list[str] = []
    ruled: list[Evidence] = [*all_of.ruled_out]
    for crash in all_of.found:
        failure = step_failure(crash.service)
        if failure is None:
            other = judge_start_pre(case, crash) or judge_start_post(crash)
            other = other or judge_systemd_stop(case, crash) or explain_failed_container(case, crash)
            other = other or explain_wrapped_program(case, crash)
            if other is None:
                ruled.append(state_evidence(crash.service))
            else:
                findings.append(unit_finding(case, crash, None, add_older_file(case, crash, other)))
            continue
        told = (_STEP_JUDGES.get(failure.status) or judge_step)(case, crash, failure)
        if isinstance(told, str):
            missing.append(told)
        elif told.confidence != "certain" and (not failure.lines or _is_starting_again(crash.service)):
            missing.append(f"why {crash.service.name} failed with status {failure.status}")
        else:
            findings.append(unit_finding(case, crash, failure, add_older_file(case, crash, told)))
    refused = refused_programs(case) if case.failing_addresses else ()
    findings += [unit_finding(case, crash, None, told) for crash, told in refused]
    findings += _running_unit_findings(case, {(f.node, f.service) for f in findings})
    known = {(f.node, f.service) for f in findings}
    for outcome in judge_stop_kills(case):
        if isinstance(outcome, str):
            missing.append(outcome)
        elif (outcome[0].service.node, outcome[0].service.name) not in known:
            findings.append(unit_finding(case, outcome[0], None, outcome[1]))
    missing += [fact for fact in all_of.missing if not fact.startswith("log of")]
    return conclude(findings, missing, ruled)


def _is_starting_again(service: Service) -> bool:
    """Return whether supervisord starts it again right now, maybe with a corrected configuration."""
    return service.program is not None and service.program.state == "STARTING"


def _running_unit_findings(case: Case, known: set[tuple[str, str | None]]) -> Iterator[Finding]:
    """Find units with files that systemd has not read, and units that it ends repeatedly between answers."""
    for trouble in case.failing_addresses:
        bad = explain_unloaded(case, trouble)
        if bad is not None:
            if (bad[0].service.node, bad[0].service.name) not in known:
                known.add((bad[0].service.node, bad[0].service.name))
                yield unit_finding(case, bad[0], None, bad[1])
            continue
        unread = explain_unread_edit(case, trouble)
        if unread is not None:
            owner, told = unread
            yield unit_finding(case, FailedRun(owner, (trouble,), ()), None, told)
            continue
        owned = only_owner(case, trouble)
        if owned is not None and (owned.service.node, owned.service.name) not in known:
            ended = judge_systemd_stop(case, FailedRun(owned, (trouble,), ()))
            if ended is not None:
                known.add((owned.service.node, owned.service.name))
                yield unit_finding(case, FailedRun(owned, (trouble,), ()), None, ended)
    for crash in restarted_unit_runs(case):
        told_now = judge_systemd_stop(case, crash) if (crash.service.node, crash.service.name) not in known else None
        if told_now is not None:
            yield unit_finding(case, crash, None, told_now)


CAUSE = Cause(
    id=CAUSE_ID,
    title="systemd or supervisord cannot start the backend as its file says",
    family="backend crashed, or exits at once",
    variants=(
        "start-203-exec-missing", "start-203-exec-not-executable", "start-203-exec-bad-interpreter", "start-200-chdir",
        "start-217-user", "start-216-group", "start-226-namespace", "start-execstartpre-failed",
        "unit-edited-no-daemon-reload", "start-type-notify-timeout", "unit-watchdog-restarts",
        "start-timeout-too-short", "unit-not-loaded", "start-step-failed", "start-execstartpost-failed",
        "stop-timeout-sigkill", "container-cannot-start",
    ),
    verdict=judge,
    page=__doc__,
)


def unit_finding(case: Case, crash: FailedRun, failure: StepFailure | None, told: StepExplanation) -> Finding:
    """Return the finding for one unit."""
    said = () if failure is None else tuple(log_evidence(line.text, line.where) for line in failure.lines)
    return Finding(
        cause=CAUSE_ID, variant=told.variant, role="root", confidence=told.confidence, summary=told.summary,
        detail=told.detail, routes=crash.routes, service=crash.service.name,
        node=crash.service.node,
        evidence=tuple(dict.fromkeys((
            *told.evidence, *said, *crash.symptoms(case),
        ))),
        repairs=told.repairs,
    )
