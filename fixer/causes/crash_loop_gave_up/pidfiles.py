"""A program that does not start because its pid file says that it runs already: what that process is by now."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import find_node
from fixer.analysis.run_log import message, own_lines
from fixer.lazy.regex import regex
from fixer.model.facts import Unknown
from fixer.model.snapshot import LogLine, Service
from fixer.redaction.redactargv import redact_argv

_LAST = 6
_SAYS = regex(r"(?i)\balready running\b|\bis running\b|\bpid ?file\b.*\b(?:stale|exists?)\b")
_PID = regex(r"(?i)\bpid[ :=#(]*(?:is )?(\d{1,8})\b|\bprocess (\d{1,8})\b")
_PATH = regex(r"(/[^\s'\"`:;,()]+\.(?:pid|lock))\b")


def pid_file_words(case: Case, service: Service, lines: Sequence[LogLine]) -> str:
    """What a person has to know of the pid file that the last words speak of; empty where they speak of none.

    The log is the program's word: the process is looked up, and nothing is removed by it.
    """
    said = next((text for line in reversed(own_lines(lines)[-_LAST:]) if _SAYS.search(text := message(line))), "")
    pid, path = _PID.search(said), _PATH.search(said)
    if not said or (pid is None and path is None):
        return ""
    file = path[1] if path is not None else "its pid file"
    if pid is None:
        return f"; {file} is left of a run that is over, if nothing of {service.name} runs: remove it, then start it"
    number = int(pid[1] or pid[2])
    node = find_node(case.snapshot, service.node)
    if node is None or isinstance(node.processes, Unknown):
        return f"; see what pid {number} is: if it is none of its own, remove {file} and start it"
    held = next((p for p in node.processes.value if p.pid == number), None)
    if held is None:
        return f"; no process has the pid {number} now: {file} is stale, remove it, then start {service.name}"
    what = " ".join(redact_argv(list(held.argv)))[:120] or held.comm
    return (f"; pid {number} is now {what!r} of uid {held.uid}: if that is none of its own, {file} is stale: remove "
            f"it, then start {service.name}")
