"""What is known of a server without a service manager: its processes, and the boot entry that starts it."""

from __future__ import annotations

from fixer.managers import RunState, ServiceManager, ServiceStarter
from fixer.model.facts import Evidence


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
        """Return the account that the line of a boot runs it as."""
        entry = self.service.boot_entry
        return "root" if entry is None else entry.user or "root"

    def has_ended(self) -> bool:
        """Return whether only a boot entry would start it, and it does not run."""
        return self.service.is_idle_boot_entry

    def is_unwatched(self) -> bool:
        return self.service.is_idle_boot_entry


class BareProcessSteps(ServiceStarter):
    """Nothing starts it but an operator."""

    __slots__ = ()

    def by_hand(self) -> str:
        below_supervisord = self.service.manager == "supervisord"  # whose file does not show the program
        return f"supervisorctl start {self.service.name}" if below_supervisord else super().by_hand()


STARTER = BareProcessSteps
MANAGER = BareProcess
