"""A random machine: one container with systemd, in which everything of the host runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.errors import LabError
from lab.random_hosts.host_container import wait_until_booted
from lab.random_hosts.running_host import ROOTS, RunningHost
from lab.stack import docker_engine
from lab.stack.docker_command import FinishedCommand
from lab.trial.manifest import Manifest, machine_manifest

# its command line holds no word of the script: a `pkill -f` in it must not match itself
SHELL = ("sh", "-c", 'script=$(cat); eval "$script"')
ERROR_LOG = "/var/log/nginx/error.log"
LOGS = ("nginx -T 2>&1 | head -400", "tail -40 /var/log/nginx/error.log", "journalctl -n 80 --no-pager",
        "ps axo pid,ppid,user,args", "systemctl --failed --no-legend; systemctl status {{service}} --no-pager || true",
        # what a server says that no journal holds: supervisord's files, and where hand-started ones are redirected
        "find /var/log /var/lib /srv /opt -name '*.log' ! -path '*/nginx/*' -exec tail -v -n 30 {} + | head -600")


@dataclass(slots=True)
class RunningMachine(RunningHost):
    """One container that is the machine."""

    @property
    def target(self) -> str:
        """Return the target for a fixer outside."""
        return f"docker://{self.container}"

    @property
    def app_container(self) -> str:
        """Return the machine: everything runs in it."""
        return self.container

    @property
    def log_scripts(self) -> Sequence[str]:
        """Return shell lines whose output is kept of a host that was not passed."""
        return LOGS

    def shell(self, script: str, *, check: bool = True) -> FinishedCommand:
        """Run shell lines as root on the machine, with the host's values."""
        filled = self.spec.fill(script).strip()
        ran = docker_engine.execute(self.container, SHELL, user="0", check=False,
                                    stdin=f"set -e\n{filled}\n".encode())
        if check and ran.code != 0:
            raise LabError(f"`{' '.join(filled.split())[:100]}` failed: {ran.error_line}")
        return ran

    def _pack(self, paths: Sequence[str]) -> bytes:
        argv = ["tar", "-cpf", "-", "-C", "/", *(path.lstrip("/") for path in paths)]
        return docker_engine.execute(self.container, argv, user="0").out

    def _put_back(self, paths: Sequence[str], archive: bytes) -> None:
        for path in paths:
            self.shell(f'rm -rf "{path}"')
        docker_engine.execute(self.container, ["tar", "-xpf", "-", "-C", "/"], user="0", stdin=archive)

    def reboot(self) -> None:
        """Restart the machine: only its disk survives. Its operator then starts what nothing starts at boot."""
        docker_engine.restart(self.container, timeout=20)
        wait_until_booted(self.container)
        if self.spec.values["after_boot"]:
            self.shell("{{after_boot}}")

    def manifest(self) -> Manifest:
        """Return every file that a repair may change, with mode, owner and digest."""
        return machine_manifest(self.container, ROOTS)

    def foreign_processes(self) -> Mapping[str, str]:
        """Return the main process of each foreign unit."""
        units = self.spec.foreign.units
        return {unit: self.shell(f"systemctl show -p MainPID,ActiveState --value {unit} | tr '\\n' ' '").text
                for unit in units}

    def log_mark(self) -> float:
        """Return the size of nginx's error log."""
        return float(self.shell(f"stat -c %s {ERROR_LOG} 2>/dev/null || echo 0", check=False).text or "0")

    def logged_since(self, mark: float) -> str:
        """Return what nginx logged behind that size."""
        return self.shell(f"tail -c +{int(mark) + 1} {ERROR_LOG} 2>/dev/null || true", check=False).text
