"""Type=forking and a program that does leave its first process: systemd waits for a pid file that nobody writes."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import log_evidence, now_on, state_evidence
from fixer.analysis.exits.exec_step import Told, setting_evidence, setting_of, where
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.run_log import lines_of, message
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import ArgPlace, LogLine, Service, UnitValue
from fixer.repairs.unit_edits import Doing, by_hand, edit_and_start, whole

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
    said = _said(case, service) if kind.value == "forking" and setting is not None else None
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


def _said(case: Case, service: Service) -> LogLine | None:
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
