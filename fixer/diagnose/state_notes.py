"""Notes about the state of applications, nginx's logs, files and variables, and units at boot."""

from __future__ import annotations

from fixer.analysis.case import Case, location_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Unknown
from fixer.repairs.boot_enablement import boot_notes

with lazy_imports():
    from fixer.analysis.exits.last_output import logged_error_text  # only for such an answer


def state_notes(case: Case) -> tuple[str, ...]:
    """Return notes on errors of the application, deleted logs, unread configurations and boot enablement."""
    lost = [f"nginx on {n.node} writes to a deleted log ({', '.join(n.lost_logs)}): the lines are lost and use disk "
            "space. Run nginx -s reopen; create its folder first if that is missing"
            for n in case.snapshot.nginxes if n.lost_logs]
    unread = [f"the nginx configuration is unknown: {n.config.reason}" for n in case.snapshot.nginxes
              if isinstance(n.config, Unknown) and n.master_pid is not None]
    return (*case.snapshot.notes, *_application_errors(case), *lost, *unread, *boot_notes(case.snapshot))


def _application_errors(case: Case) -> tuple[str, ...]:
    """Return one note for each route whose application answers with an error of its own."""
    return tuple(
        f"{location_text(case, j.facts.route)} on {j.facts.route.listen_text} {j.reason}: sent by the application "
        f"itself or by a gateway in front of it, not by this nginx{logged_error_text(case, j)}"
        for j in case.verdicts.values() if j.from_application)


def unresolved_values(case: Case) -> tuple[str, ...]:
    """Return each address that a variable holds and the files do not say, with its route: nothing connected to it."""
    return tuple(dict.fromkeys(
        f"the address in ${server.variable.lstrip('$')} of {judged.facts.route.location} "
        f"({judged.facts.route.source.file}:{judged.facts.route.source.line})"
        for judged in case.verdicts.values() for server in judged.facts.route.servers
        if server.variable and not server.host and server.unix is None))
