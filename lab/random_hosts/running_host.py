"""A random host that runs: inject and undo faults, restart, and look at what belongs to others."""

from __future__ import annotations

import io
import tarfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.random_hosts.host_spec import Fault, Foreign, HostFile, HostSpec
from lab.stack import docker_engine
from lab.stack.docker_command import FinishedCommand
from lab.trial.manifest import Manifest

FILE_AGE = 3 * 86400.0      # seconds: a deployment is older than its fault
START_SECONDS = 45.0        # for a server on a busy machine
REST_SECONDS, REST_SHARE, RESTS = 1.0, 0.03, 3     # it rests if it uses less of a processor, so often in a row
ROOTS = ("/etc", "/srv", "/opt", "/home", "/usr/local", "/var/www")


@dataclass(slots=True)
class RunningHost(ABC):
    """The host of a spec while it runs. `container` is the one that nginx runs in. `saved` holds the files that
    injected faults changed."""

    spec: HostSpec
    container: str
    saved: dict[str, bytes] = field(default_factory=dict)

    @property
    @abstractmethod
    def target(self) -> str:
        """Return the target for a fixer outside."""

    @property
    @abstractmethod
    def log_scripts(self) -> Sequence[str]:
        """Return shell lines whose output is kept of a host that was not passed."""

    def logs(self) -> str:
        """Return what these lines print now, each below its line."""
        return "\n".join(f"# {script}\n{self.shell(script, check=False).text}\n" for script in self.log_scripts)

    @abstractmethod
    def shell(self, script: str, *, check: bool = True) -> FinishedCommand:
        """Run shell lines where the host's files are, with the host's values; with `check`, raise LabError if they
        fail."""

    @abstractmethod
    def reboot(self) -> None:
        """Restart the whole host: only its files survive."""

    @abstractmethod
    def manifest(self) -> Manifest:
        """Return every file that a repair may change, with mode, owner and digest."""

    @abstractmethod
    def foreign_processes(self) -> Mapping[str, str]:
        """Return the state of everything that runs for somebody else."""

    @abstractmethod
    def log_mark(self) -> float:
        """Return the present end of nginx's error log."""

    @abstractmethod
    def logged_since(self, mark: float) -> str:
        """Return what nginx logged since then."""

    @abstractmethod
    def _pack(self, paths: Sequence[str]) -> bytes:
        """Return a tar of the paths."""

    @abstractmethod
    def _put_back(self, paths: Sequence[str], archive: bytes) -> None:
        """Make the paths again what they were when they were packed."""

    @property
    @abstractmethod
    def app_container(self) -> str:
        """Return the container that the application runs in."""

    def settle(self) -> bool:
        """Wait until what a fault has started anew rests: a server that still loads is neither well nor broken. Return
        whether it does; one that starts again and again never does."""
        until, before, moment = time.monotonic() + START_SECONDS, self.processor_seconds(), time.monotonic()
        resting = 0
        while resting < RESTS and time.monotonic() < until:
            time.sleep(REST_SECONDS)
            now, later = self.processor_seconds(), time.monotonic()
            resting = resting + 1 if now - before < REST_SHARE * (later - moment) else 0
            before, moment = now, later
        return resting >= RESTS

    def processor_seconds(self) -> float:
        """Return the processor time of all that has run in the application's container; 0 if it does not run."""
        return docker_engine.processor_seconds(self.app_container)

    @property
    def url(self) -> str:
        """Return the published URL of the page. Docker chooses a new port at every start."""
        scheme = self.spec.values["front_scheme"]
        port = docker_engine.published_port(self.container, "443/tcp" if scheme == "https" else "80/tcp")
        return f"{scheme}://127.0.0.1:{port or 1}"

    def inject(self, fault: Fault) -> None:
        """Save what the fault changes, then inject it."""
        if fault.saves:
            self.saved[fault.name] = self._pack([self.spec.fill(path) for path in fault.saves])
        for script in fault.inject:
            self.shell(script)

    def undo(self, fault: Fault) -> None:
        """Put the saved files back, then run what undoes the rest; other faults stay."""
        if fault.name in self.saved:
            self._put_back([self.spec.fill(path) for path in fault.saves], self.saved.pop(fault.name))
        for script in fault.undo:
            self.shell(script)

    def restart_service(self) -> None:
        """Restart the application through its manager."""
        self.shell("{{restart_service}}", check=False)

    def must_nots_done(self) -> list[str]:
        """Return what no solver may do about the host's faults, and was done."""
        return [f"{fault.name}: {one.what}" for fault in self.spec.faults for one in fault.must_not
                if self.shell(one.check, check=False).code == 0]


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
