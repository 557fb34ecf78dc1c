"""A program that a line of cron starts at boot: run it now as that line does, as a unit that the next boot forgets.

Only a line that is nothing but a program can be done again without a shell. The unit runs it as the line's account, in
its home, with cron's own variables. It lies below /run: at the next boot the line starts the program as before, and
nothing else does.
"""

from __future__ import annotations

import posixpath

from fixer.analysis.evidence import file_line_text, find_node
from fixer.lazy.regex import regex
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Repair
from fixer.model.plan import DaemonReload, FileMeta, UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import Endpoint, Snapshot
from fixer.repairs.start_service import LISTEN_TIMEOUT, reachable_host

REPAIR_ID = "start-as-at-boot"
_FOLDER = "/run/systemd/system"
_UNUSABLE = regex(r"[^A-Za-z0-9_-]+")
_CRON_PATH = "/usr/bin:/bin"


def start_as_at_boot_repair(snapshot: Snapshot, endpoint: Endpoint, entry: BootEntry) -> Repair | None:
    """Return the repair; None if the line is more than a program, does not run at boot, or runs as root, or systemd
    does not run there."""
    node = find_node(snapshot, entry.node)
    if entry.kind != "cron" or not entry.program or entry.not_run_reason or entry.user in ("", "root") or (
            node is None or node.init != "systemd"):
        return None
    name = _new_unit_name(snapshot, entry)
    where = file_line_text(snapshot, entry.node, entry.file, entry.line)
    steps = (
        WriteFile(entry.node, f"{_FOLDER}/{name}", None, _unit_text(entry, where).encode(),
                  f"a unit that runs {entry.program} until the next boot", meta=FileMeta(0o644, 0, 0)),
        DaemonReload(entry.node),
        UnitAction(entry.node, name, "start", "inactive", ""),
        WaitForListener(entry.node, reachable_host(endpoint.host), endpoint.port, endpoint.unix, LISTEN_TIMEOUT, name),
    )
    summary = (f"start {entry.program} as user {entry.user}, as {where} does at boot (as {name}, until the next boot: "
               "nothing restarts it if it ends)")
    return Repair(REPAIR_ID, "disruptive", summary, steps)


def _new_unit_name(snapshot: Snapshot, entry: BootEntry) -> str:
    """Return an unused name for the unit."""
    base = _UNUSABLE.sub("-", posixpath.splitext(posixpath.basename(entry.program))[0]).strip("-") or "backend"
    taken = {s.unit.name for s in snapshot.services if s.node == entry.node and s.unit is not None}
    names = (f"{base}{end}.service" for end in ("", *(f"-{number}" for number in range(2, 100))))
    return next(n for n in names if n not in taken and snapshot.file(entry.node, f"{_FOLDER}/{n}") is None)


def _unit_text(entry: BootEntry, where: str) -> str:
    return "\n".join((
        "[Unit]", f"Description={entry.program}, which {where} starts at boot", "", "[Service]", f"User={entry.user}",
        "WorkingDirectory=-~", f"Environment=PATH={_CRON_PATH}", f"ExecStart={entry.program}", ""))
