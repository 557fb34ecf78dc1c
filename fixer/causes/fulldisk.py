"""A backend that ended because its disk is full: its last words say so, and no restart makes room."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.evidence import absent_evidence, config_evidence, log_evidence, state_evidence
from fixer.analysis.exits.failed_run import Crash, crashes
from fixer.analysis.run_log import message
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import LogLine, Service, Setting

_LAST = 40           # lines of a run's end that are read
_FULL = regex(r"Error: (?:\[Errno 28\] |ENOSPC: )|: No space left on device\.?$|Error: database or disk is full$")
_QUOTA = regex(r"Error: (?:\[Errno 122\] |EDQUOT: )|: Disk quota exceeded\.?$")
_CALL = 4            # lines above the error in which its call stands
_NAMED = regex(r"['\"](?P<path>/[^'\"\s{}%]+/[^'\"\s{}%]+)['\"]")
_PATH = regex(r": '(?P<path>/[^'\n]+)'$")
_REQUEST = regex(r"HTTP/\d")
_ENDS = regex(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)\b")


def full_disks(case: Case) -> Iterator[Finding]:
    """One finding for every service that ended so."""
    for crash in crashes(case).found:
        line = _last_words(crash)
        if line is not None:
            yield _found(case, crash, line)


def _last_words(crash: Crash) -> LogLine | None:
    """The line that says so, where no other error was said after it."""
    for line in reversed(crash.lines[-_LAST:]):
        text = message(line).strip()
        if _REQUEST.search(text):
            continue           # a request line: a visitor's words
        if _FULL.search(text) or _QUOTA.search(text):
            return line
        if _ENDS.match(text):
            return None
    return None


def _found(case: Case, crash: Crash, line: LogLine) -> Finding:
    service, trouble = crash.service, crash.troubles[0]
    said = message(line).strip()
    match, quota = _PATH.search(said), _QUOTA.search(said) is not None
    where = match["path"] if match is not None else _named(crash, line)
    who = f" or raise the quota of {_account(service)} (repquota -a)" if quota else ""
    small = _memory_disk(service, match["path"] if match is not None else "")
    also = "" if small is None else (
        f"; {small.file}:{small.line} gives it {small.value} as a disk in memory: where that is full, allow more")
    manual = (f"make room on the disk of {where} (df -h; df -i){who}; nothing is deleted for you{also}; then start "
              f"{service.name}")
    what = f"the disk quota of {_account(service)} is used up" if quota else \
        "no space is left on the disk that it writes to"
    return Finding(
        cause="disk-full", variant=None, role="root", confidence="certain" if crash.owner.certain else "likely",
        summary=f"{service.name} ends at once: {what}", detail=(),
        routes=crash.routes, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            log_evidence(line.text, line.where),
            *((Evidence("file", f"{small.file}:{small.line}", f"tmpfs: {small.value}"),) if small is not None else ()),
            state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        ))),
        repairs=(Repair("free-disk-space", "manual", f"make room for {service.name}", (), manual=manual),),
        explains=("crash-loop-gave-up", "crash-code-error", "backend-down", "slow-start"),
    )


def _memory_disk(service: Service, path: str) -> Setting | None:
    """A tmpfs of its compose file with a size; of a path that is named only one that holds it."""
    given = next((s for s in service.compose_settings if s.key == "tmpfs" and "size=" in s.value), None)
    places = [word.partition(":")[0].rstrip("/") for word in given.value.split()] if given is not None else []
    return given if not path or any(path.startswith(f"{place}/") for place in places) else None


def _account(service: Service) -> str:
    return (service.unit.user if service.unit is not None else "") or "its account"


def _named(crash: Crash, line: LogLine) -> str:
    """What the call above the error names, as far as the traceback shows it."""
    at = next((i for i, one in enumerate(crash.lines) if one is line), 0)
    for one in reversed(crash.lines[max(0, at - _CALL):at]):
        match = _NAMED.search(message(one)) if not message(one).lstrip().startswith("File ") else None
        if match is not None:
            return f"what it writes to (its call names {match['path']})"
    return "what it writes to"
