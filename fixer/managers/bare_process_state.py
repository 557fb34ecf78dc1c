"""What is known of a server without a service manager: its processes, and the boot entry that starts it."""

from __future__ import annotations

from fixer.managers import RunState, ServiceManager, ServiceStarter, starter_of
from fixer.model.facts import Evidence
from fixer.model.plan import Step
from fixer.model.snapshot import Service


class BareProcess(ServiceManager):
    """What the process table, and files that a boot runs, say of one server."""

    __slots__ = ()

    def run_state(self) -> RunState:
        """Return whether it has a process: nothing else is known."""
        return "running" if self.service.pids else "stopped"

    def evidence(self) -> Evidence:
        """Return the line that starts it at boot if it does not run, else its processes. That line alone shows how
        it is meant to run."""
        service, entry = self.service, self.service.boot_entry
        if entry is not None and not service.pids:
            return Evidence("file", f"{entry.file}:{entry.line}", entry.text)
        pids = ", ".join(str(pid) for pid in service.pids)
        return Evidence("process", service.name, f"pid {pids}" if pids else "no process")

    def account_name(self) -> str:
        """Return the account that the line of a boot runs it as; nothing names that of somebody who runs a script."""
        entry = self.service.boot_entry
        if entry is not None and entry.kind == "by-hand":
            return entry.user or "its account"
        return "root" if entry is None else entry.user or "root"

    def has_ended(self) -> bool:
        """Return whether only a boot entry would start it, and it does not run."""
        return self.service.is_idle_boot_entry

    def start_text(self) -> str:
        """Return the line or the container that starts it: it may have no name but its script's."""
        entry = self.service.boot_entry
        if entry is None:
            return super().start_text()
        if entry.kind == "by-hand":     # the script does more than that line: variables, a folder, a log
            return f"run {entry.file} again{f' as {entry.user}' if entry.user else ''}"
        return f"restart container {entry.name}" if entry.kind == "entrypoint" else \
            f"start it as {entry.file}:{entry.line} does"

    def is_unwatched(self) -> bool:
        return self.service.is_idle_boot_entry


class BareProcessSteps(ServiceStarter):
    """Nothing starts it but an operator, or a restart of the container whose script starts it beside nginx."""

    __slots__ = ()

    def restart_steps(self, describe: str = "") -> tuple[Step, ...]:
        """Return the restart of its container: only the script starts the server again."""
        box = self._container()
        told = "; ".join(filter(None, (describe, "nginx and its other programs restart too")))
        return () if box is None else starter_of(self.snapshot, box).restart_steps(told)

    def apply_steps(self, describe: str = "") -> tuple[Step, ...] | str:
        """Return why it is left to an operator: what is edited inside a container is gone with it."""
        box = self._container()
        return super().apply_steps(describe) if box is None else (
            f"make the change where container {box.name} gets it from (a mount, its image, its compose file), then "
            f"create or restart {box.name}")

    def by_hand(self) -> str:
        box = self._container()
        if box is not None:
            return f"docker restart {box.container.name if box.container is not None else box.name}"
        below_supervisord = self.service.manager == "supervisord"  # whose file does not show the program
        return f"supervisorctl start {self.service.name}" if below_supervisord else super().by_hand()


    def _container(self) -> Service | None:
        """Return the container whose entrypoint script starts it; None if something else does."""
        entry = self.service.boot_entry
        return None if entry is None or entry.kind != "entrypoint" else next(
            (s for s in self.snapshot.services if s.container is not None and s.container.name == entry.name), None)


STARTER = BareProcessSteps
MANAGER = BareProcess
