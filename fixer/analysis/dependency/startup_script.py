"""A backend whose start script runs, and has not come to its server: what the script does, and what it waits for."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.dependency.complaint import Complaint, engine_at
from fixer.analysis.dependency.locate import Needed, accepts, is_here, providers_on
from fixer.analysis.evidence import absent_evidence, bindings_of, config_evidence, now_on, processes_of, say_age
from fixer.analysis.exits.failed_run import fails_inside, has_failed, holds_a_socket
from fixer.analysis.nginx_errors import is_refused, symptom_evidence
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import SERVES, last_run, message, own_lines
from fixer.analysis.service_names import engine_of
from fixer.analysis.service_state import condition, state_evidence
from fixer.formats.launchers import SHELLS
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.deployment import Reliance
from fixer.model.facts import Evidence
from fixer.model.snapshot import LogLine, Process, Service
from fixer.redaction.values import redact_argv

_WORDS = 120
_BEFORE = frozenset({"start-pre", "condition", "stop-post", "stop", "stop-sigterm"})     # systemd's, not the script's
_BEGAN = regex(r"Started (?:server|parent|reloader) process|Starting gunicorn|Booting worker|Waiting for app")
_FIRST = 8       # words of a command in which its program stands


@dataclass(frozen=True, slots=True)
class HeldUp:
    """Whose script it is, the shell, what that runs now (None: nothing that was seen), and what is not met of that
    which it waits for, the first first, with who should provide it."""

    owner: Owner
    trouble: Trouble
    shell: Process
    now: Process | None
    unmet: tuple[tuple[Reliance, Needed | None], ...]

    @property
    def service(self) -> Service:
        """The service that has no server yet."""
        return self.owner.service


def held_up(case: Case) -> tuple[HeldUp, ...]:
    """Every service behind an empty address whose shell is still on its way to the server."""
    found: dict[str, HeldUp] = {}
    for trouble in case.troubles:
        owner = sole_owner(case, trouble)
        if owner is not None and is_closed(trouble.endpoint) is True and owner.service.id not in found:
            one = held_up_at(case, trouble, owner)
            if one is not None:
                found[owner.service.id] = one
    return tuple(found.values())


def held_up_at(case: Case, trouble: Trouble, owner: Owner) -> HeldUp | None:
    """The same for one service that runs and listens nowhere."""
    service, unit = owner.service, owner.service.unit
    if service.container is not None or (unit is not None and unit.sub_state in _BEFORE):
        return None
    if condition(service) not in ("running", "starting") or has_failed(case, service, trouble):
        return None
    ours = processes_of(case.snapshot, service.node, service.pids)
    shell = next((p for p in ours if _is_shell(p) and p.ppid not in service.pids), None)
    if shell is None or _has_begun(case, service) or fails_inside(case, service, trouble):
        return None
    if holds_a_socket(case, service) or any(_is_server(service, p) for p in ours):
        return None
    below = [p for p in ours if p.pid != shell.pid and not _is_shell(p)]
    unmet = tuple(_unmet(case, service))
    return HeldUp(owner, trouble, shell, below[-1] if below else None, unmet)


def _has_begun(case: Case, service: Service) -> bool:
    """Its server was there in this run: what is left of it is not on its way, or starts it again and again."""
    lines = own_lines(last_run(case.snapshot, service))
    return any(SERVES.search(message(line)) or _BEGAN.search(message(line)) for line in lines)


def _is_shell(process: Process) -> bool:
    return len(process.argv) > 1 and posixpath.basename(process.argv[0].lstrip("-")) in SHELLS


def _is_server(service: Service, process: Process) -> bool:
    """It runs what the script is there for: the server by its name, or the same program with the same first word."""
    names = [posixpath.basename(word) for word in process.argv[:_FIRST]]
    if _is_shell(process):
        return False
    if service.runtime not in ("", "python", "binary", "node", "java", "django"):
        return any(name.startswith(service.runtime) for name in names) or process.comm.startswith(service.runtime)
    told = [posixpath.basename(place.text) for place in service.command if not place.text.startswith("-")][:2]
    return bool(told) and set(told) <= set(names)


def _unmet(case: Case, service: Service) -> Iterator[tuple[Reliance, Needed | None]]:
    for one in service.waits:
        if one.path and one.present is not None and not one.engine:
            if one.present is not one.wanted:
                yield one, None
        elif one.wanted and (needed := needed_by(case, service, one)).up is not True:
            yield one, needed


def needed_by(case: Case, service: Service, one: Reliance) -> Needed:
    """The system on the other side of an address that it relies on."""
    said = said_of(one)
    if not is_here(case.snapshot, service.node, said):
        return Needed(None, None, (), ())
    up, why = accepts(case.snapshot, service.node, said)
    providers = providers_on(case.snapshot, service.node, said) or _told(case, service, one)
    return Needed(service.node, up, providers, why)


def said_of(one: Reliance) -> Complaint:
    """An address in the form in which complaints name it."""
    return Complaint("refused", LogLine(None, "", ""), "", one.host, one.ip, one.port, one.path if one.engine else "",
                     "", one.engine or engine_at(one.port))


def _told(case: Case, service: Service, one: Reliance) -> tuple[Service, ...]:
    """Services of this node that are told to listen on that port."""
    return tuple(s for s in case.snapshot.services if s.node == service.node and s.id != service.id and one.port
                 and any(b.port == one.port for b in bindings_of(s)) and not engine_of(s))


def since(case: Case, one: HeldUp) -> float:
    """For how many seconds the shell has been on its way."""
    return max(0.0, now_on(case.snapshot, one.service.node) - one.shell.started_at)


def doing(case: Case, one: HeldUp) -> str:
    """What the script runs at this moment, in words; a pause says nothing."""
    if one.now is None or one.now.comm == "sleep":
        return ""
    age = say_age(max(0.0, now_on(case.snapshot, one.service.node) - one.now.started_at))
    return f"pid {one.now.pid} runs for {age}: {_command(one.now.argv)}"


def script_of(one: HeldUp) -> str:
    """The file that the shell runs, for people; the text after -c is called its command."""
    path = next((word for word in one.shell.argv[1:] if not word.startswith("-")), "")
    return path if path.startswith(("/", ".")) and " " not in path else "its shell command"


def held_evidence(case: Case, one: HeldUp) -> tuple[Evidence, ...]:
    """The lines of the script that are not met, and the processes."""
    lines = tuple(dict.fromkeys(reliance.source for reliance, _ in one.unmet[:2]))
    age = say_age(since(case, one))
    shell = Evidence("process", f"pid {one.shell.pid}", f"{_command(one.shell.argv)}, running for {age}")
    below = () if one.now is None else (Evidence("process", f"pid {one.now.pid}", _command(one.now.argv)),)
    return (*lines, shell, *below)


def _command(argv: Sequence[str]) -> str:
    return " ".join(redact_argv(list(argv)))[:_WORDS]


def not_started_text(case: Case, one: HeldUp) -> str:
    """Say which script has not started its server, and for how long."""
    return (f"{one.service.name} runs {script_of(one)}, which has not started its server for "
            f"{say_age(since(case, one))}")


def waiting_script_evidence(case: Case, one: HeldUp, shown: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Evidence of a start script that waits, with what the caller shows."""
    trouble = one.trouble
    return tuple(dict.fromkeys((
        *held_evidence(case, one), *shown, state_evidence(one.service),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        *symptom_evidence(case, trouble, is_refused),
    )))
