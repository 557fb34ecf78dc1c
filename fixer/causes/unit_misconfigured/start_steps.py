"""The further steps at which systemd fails before a program runs: where its output goes, its folders, its credentials,
what it may do. systemd names the step; the settings that the step carries out are shown with what they name."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import log_evidence, now_on
from fixer.analysis.exits.exec_step import (
    StepFailure,
    Told,
    absence,
    is_gone,
    setting_evidence,
    setting_of,
    stat_evidence,
    stat_of,
    where,
)
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.run_log import lines_of, message
from fixer.analysis.service_state import state_evidence
from fixer.formats.exec_status import FURTHER, paths_of_step
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import ArgPlace, LogLine, Service, UnitValue
from fixer.repairs.unit_edits import Doing, by_hand, edit_and_start, mended, whole

VARIANT = "start-step-failed"
_REASON = regex(r"spawning .*?: (?P<why>[^:]+)$")
_WRITES = frozenset({"STDOUT", "STDERR"})      # a file that is made where its folder is there


def judge_step(case: Case, crash: Crash, failure: StepFailure) -> Told | str:
    """What systemd's line says, the settings of that step, and which of the files that they name are not there."""
    service, (step, keys) = crash.service, FURTHER[failure.status]
    settings = [s for s in service.unit_values if (s.key in keys or (step == "LIMITS" and s.key.startswith("Limit")))
                and s.value.strip()]
    said = message(failure.lines[-1]).rstrip() if failure.lines else ""
    match = _REASON.search(said)
    reason = match["why"].strip() if match is not None else "it does not say why"
    gone, there = _looked_at(case, crash, failure, writes=step in _WRITES)
    shown = tuple(setting_evidence(s) for s in settings[-3:])
    if failure.why == "missing" and there and not gone:
        return mended(case, crash, VARIANT, f"what {_names(keys)} needs was not there", (*shown, *there))
    place = where(settings[-1], service) if settings else service.name
    what = "".join(f"; {path} is not there" for path in gone[:1]) or f": {reason}"
    summary = f"{service.name} cannot be started: systemd fails at the step {step}{what}"
    manual = (
        f"{place} ({_names(keys) or step}) is what systemd could not carry out ({reason})"
        f"{f'; put {gone[0]} there (its folder, for the account that needs it)' if gone else ''}: mend that or take it "
        f"out, systemctl daemon-reload, then start {service.name}")
    return Told(VARIANT, summary, (*shown, *(absence(path) for path in gone)), by_hand("mend-step", manual))


def _names(keys: tuple[str, ...]) -> str:
    return " or ".join(keys[:2])      # without "=": what follows it is taken for a secret's value in some of them


def _looked_at(
    case: Case, crash: Crash, failure: StepFailure, *, writes: bool,
) -> tuple[list[str], list[Evidence]]:
    """Of the files that the settings name those that are not there, and what shows the others."""
    service, gone, there = crash.service, [], []
    for named in paths_of_step(failure.status, service.unit_values):
        path = posixpath.dirname(named) if writes else named
        stat = stat_of(case.snapshot, service.node, path)
        if is_gone(case.snapshot, service.node, path):
            gone.append(path)
        elif stat is not None:
            there.append(stat_evidence(path, stat))
    return gone, there


# A command of ExecStartPost= that failed: systemd then ends the program, though that was well.
_CONTROL = regex(r": Control process exited, code=(?P<code>\w+), status=(?P<status>\d+)")
_MAIN = regex(r": Main process exited, code=(?P<code>\w+), status=(?P<status>\d+)")
_NOT_STARTED = regex(r"^Failed to start ")
_TURN = regex(r"^(?:Starting|Started|Stopping|Stopped) ")
_TIMED_OUT = regex(r"timed out\. Terminating")
_TERM = "15"


def judge_after(crash: Crash) -> Told | None:
    """The last try, by systemd's own lines: a control process failed while the start was under way, and no command
    before the program did."""
    service, unit = crash.service, crash.service.unit
    posts = [s for s in service.unit_values if s.key == "ExecStartPost" and s.value.strip()]
    if unit is None or not posts or any(p.code and (p.code != "exited" or p.status) for p in unit.pre):
        return None
    stops = any(s.key in ("ExecStop", "ExecStopPost") and s.value.strip() for s in service.unit_values)
    said = _control_process_line(service)
    if said is None:
        return None
    match = _CONTROL.search(message(said))
    assert match is not None
    how = f"status {match['status']}" if match["code"] == "exited" else f"{match['code']} {match['status']}"
    named = f"`{posts[0].value.strip()[:120]}`" if len(posts) == 1 else "a command of ExecStartPost="
    manual = (
        f"{where(posts[-1], service)} runs {named} once the program is there, and it ended with {how}, so systemd ends "
        f"the program too: mend what it does, take it out, or write - before it where its failure may be passed over; "
        f"then systemctl daemon-reload, and start {service.name}")
    return Told(
        "start-execstartpost-failed",
        f"{service.name} cannot be started: {named}, which runs after it, ended with {how}",
        (*(setting_evidence(s) for s in posts[-2:]), log_evidence(said.text, said.where)),
        by_hand("mend-start-post", manual),
        "certain" if len(posts) == 1 and not unit.pre and not stops else "likely",
    )


def _control_process_line(service: Service) -> LogLine | None:
    """The line of the control process in the last try that failed; none where the program had ended by itself before,
    or another try came to its end well since."""
    lines = lines_of(service)
    end = next((at for at in range(len(lines) - 1, -1, -1) if _NOT_STARTED.search(message(lines[at]))), -1)
    if any(message(line).startswith(("Started ", "Stopped ")) for line in lines[end + 1:]):
        return None
    found: LogLine | None = None
    for at in range(end - 1, -1, -1):
        text = message(lines[at])
        if _TURN.search(text):
            break
        main = _MAIN.search(text)
        if _TIMED_OUT.search(text):
            return None         # what ran afterwards is a command of the stop
        if main is not None and main["status"] != _TERM and (main["code"], main["status"]) != ("exited", "0"):
            return None
        control = _CONTROL.search(text)
        if control is not None and (control["code"], control["status"]) != ("exited", "0"):
            found = lines[at]
    return found


# Type=forking and a program that does leave its first process: systemd waits for a pid file that nobody writes.
_SPAN = 900.0      # seconds: a word that old says nothing of the present
# systemd says it once the first process has ended, by itself and well, and only then.
_NO_FILE = regex(r"Can't open PID file '?(?P<path>/[^'\s]+)'? \(yet\?\) after start"
                 r"|PID file (?P<older>/\S+) not readable \(yet\?\) after start")
_DETACHING = frozenset({"--daemon", "--daemonize", "--daemonize2", "--background", "--fork"})
_SHORT = {"gunicorn": ("-D", "-p"), "uwsgi": ("-d", "")}      # detach, pid file
_PID_WORDS = ("--pid", "--pidfile", "--pid-file")


def detaches(service: Service, kind: UnitValue) -> bool:
    """Under Type=forking, a word of the command makes the program leave its first process, as that type wants."""
    short = _SHORT.get(service.runtime, ("", ""))[0]
    return kind.value == "forking" and any(
        w.partition("=")[0] in _DETACHING or (short and w == short) for w in _words(service))


def judge_pid_file(case: Case, crash: Crash, kind: UnitValue) -> Told | None:
    """The program went to the background, and the file that should tell its number never came."""
    service = crash.service
    setting = setting_of(service, "PIDFile")
    said = _no_pid_file_line(case, service) if kind.value == "forking" and setting is not None else None
    if setting is None or said is None:
        return None
    path = setting.value if setting.value.startswith("/") else f"/run/{setting.value}"
    written = _pid_word(service)
    evidence = (setting_evidence(setting), log_evidence(said.text, said.where), state_evidence(service))
    summary = f"systemd ends {service.name} again and again: its program goes to the background, and {path}, where " \
              "PIDFile= looks for its number, never comes"
    other = written is not None and written.text.startswith("/") and written.text != path
    if written is None or not other:
        why = "the program is told to write it there: may its account write that folder?" if written is not None and \
            written.text == path else "let the program write it there, or start it in the foreground with Type=exec"
        return Told(_VARIANT, summary, evidence, by_hand(
            "mend-pid-file", f"{where(setting, service)} names {path}: {why}; then start {service.name}"))
    doing = Doing("correct-pid-file", f"PIDFile={written.text} instead of {setting.value}",
                  f"write PIDFile={written.text} at {where(setting, service)}")
    told = Evidence("file", f"{written.file}:{written.line}", f"{written.text}… is where the program writes it")
    return Told(_VARIANT, f"{summary}: it is told to write {written.text}", (evidence[0], told, *evidence[1:]),
                (edit_and_start(case, crash, doing, whole(setting, written.text)),))


def _no_pid_file_line(case: Case, service: Service) -> LogLine | None:
    """systemd's own newest word about it."""
    since = now_on(case.snapshot, service.node) - _SPAN
    return next((x for x in reversed(lines_of(service)) if (x.at or 0.0) >= since
                 and message(x).startswith(f"{service.name}: ") and _NO_FILE.search(message(x))), None)


def _words(service: Service) -> list[str]:
    return [word.text for word in service.command] or list(service.argv)


def _pid_word(service: Service) -> ArgPlace | None:
    """The word of its command that names the pid file which it writes."""
    short = _SHORT.get(service.runtime, ("", ""))[1]
    names = (*_PID_WORDS, short) if short else _PID_WORDS
    words = service.command
    for place, word in enumerate(words):
        key, mark, value = word.text.partition("=")
        if mark and key in names:
            return ArgPlace(value, word.file, word.line)
        if word.text in names and place + 1 < len(words):
            return words[place + 1]
    return None


_VARIANT = "start-type-notify-timeout"
