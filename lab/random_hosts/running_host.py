"""A random host in a container: create, inject and undo faults, restart, and look at what belongs to others."""

from __future__ import annotations

import contextlib
import io
import secrets
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lab.errors import LabError
from lab.random_hosts.host_container import remove_container, start_container, wait_until_booted
from lab.random_hosts.host_spec import Fault, Foreign, HostFile, HostSpec
from lab.stack import docker_engine
from lab.stack.docker_command import FinishedCommand
from lab.trial.manifest import Manifest, machine_manifest

FILE_AGE = 3 * 86400.0      # seconds: a deployment is older than its fault
ROOTS = ("/etc", "/srv", "/opt", "/home", "/usr/local", "/var/www")
# its command line holds no word of the script: a `pkill -f` in it must not match itself
SHELL = ("sh", "-c", 'script=$(cat); eval "$script"')



@dataclass(slots=True)
class RunningHost:
    """One container that runs the host of a spec. `saved` holds the files that injected faults changed."""

    spec: HostSpec
    container: str
    saved: dict[str, bytes] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Return the target for a fixer outside."""
        return f"docker://{self.container}"

    @property
    def url(self) -> str:
        """Return the published URL of the page. Docker chooses a new port at every start."""
        scheme = self.spec.values["front_scheme"]
        port = docker_engine.published_port(self.container, "443/tcp" if scheme == "https" else "80/tcp")
        return f"{scheme}://127.0.0.1:{port or 1}"

    def shell(self, script: str, *, check: bool = True) -> FinishedCommand:
        """Run shell lines as root, with the host's values."""
        filled = self.spec.fill(script).strip()
        ran = docker_engine.execute(self.container, SHELL, user="0", check=False,
                                    stdin=f"set -e\n{filled}\n".encode())
        if check and ran.code != 0:
            raise LabError(f"`{' '.join(filled.split())[:100]}` failed: {ran.error_line}")
        return ran

    def inject(self, fault: Fault) -> None:
        """Save what the fault changes, then inject it."""
        if fault.saves:
            self.saved[fault.name] = self._tar_of([self.spec.fill(path) for path in fault.saves])
        for script in fault.inject:
            self.shell(script)

    def undo(self, fault: Fault) -> None:
        """Put the saved files back, then run what undoes the rest; other faults stay."""
        if fault.name in self.saved:
            for path in fault.saves:
                self.shell(f'rm -rf "{path}"')
            docker_engine.execute(self.container, ["tar", "-xpf", "-", "-C", "/"], user="0",
                                  stdin=self.saved.pop(fault.name))
        for script in fault.undo:
            self.shell(script)

    def _tar_of(self, paths: Sequence[str]) -> bytes:
        argv = ["tar", "-cpf", "-", "-C", "/", *(path.lstrip("/") for path in paths)]
        return docker_engine.execute(self.container, argv, user="0").out

    def restart_service(self) -> None:
        """Restart the application through its manager."""
        self.shell("{{restart_service}}", check=False)

    def reboot(self) -> None:
        """Restart the machine: only its disk survives."""
        docker_engine.restart(self.container, timeout=20)
        wait_until_booted(self.container)

    def manifest(self) -> Manifest:
        """Return every file that a repair may change, with mode, owner and digest."""
        return machine_manifest(self.container, ROOTS)

    def foreign_processes(self) -> Mapping[str, str]:
        """Return the main process of each foreign unit."""
        units = self.spec.foreign.units
        return {unit: self.shell(f"systemctl show -p MainPID,ActiveState --value {unit} | tr '\\n' ' '").text
                for unit in units}

    def must_nots_done(self) -> list[str]:
        """Return what no solver may do about the host's faults, and was done."""
        return [f"{fault.name}: {one.what}" for fault in self.spec.faults for one in fault.must_not
                if self.shell(one.check, check=False).code == 0]


@contextlib.contextmanager
def running_host(spec: HostSpec, image: str, *, keep: bool = False) -> Iterator[RunningHost]:
    """Create the host and remove it at the end. With `keep`, leave it up."""
    container = f"{spec.values['word']}-{secrets.token_hex(3)}"
    try:
        start_container(container, image, spec.values["word"])
        host = RunningHost(spec, container)
        _set_up(host)
        yield host
    finally:
        if not keep:
            remove_container(container)


def _set_up(host: RunningHost) -> None:
    """Create accounts, write the files, and run the commands of every part."""
    wait_until_booted(host.container)
    parts = host.spec.parts
    for script in (script for part in parts for script in part.setup):
        host.shell(script)
    files = [entry for part in parts for entry in part.files]
    docker_engine.execute(host.container, ["tar", "-xpf", "-", "-C", "/"], user="0",
                          stdin=tar_of_files(host.spec, files, time.time() - FILE_AGE))
    for script in (script for part in parts for script in part.commands):
        host.shell(script)
    host.shell("systemctl restart nginx")


def tar_of_files(spec: HostSpec, files: Sequence[HostFile], moment: float) -> bytes:
    """Return a tar of the files, with the names of their owners; folders come first."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for entry in sorted(files, key=lambda one: (one.text is not None or bool(one.link), spec.fill(one.path))):
            info = tarfile.TarInfo(spec.fill(entry.path).lstrip("/"))
            info.mtime, info.mode, data = int(moment), entry.mode, b""
            info.uname = info.gname = spec.fill(entry.owner)
            if entry.link:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, spec.fill(entry.link), 0o777
            elif entry.text is None:
                info.type = tarfile.DIRTYPE
            else:
                data = spec.fill(entry.text).encode()
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def changed_foreign(foreign: Foreign, changes: Sequence[str]) -> list[str]:
    """Return the changes of a manifest that concern files of somebody else."""
    return [line for line in changes if line.split(": ", 1)[0] in foreign.files]
