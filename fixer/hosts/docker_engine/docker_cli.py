"""The docker command line: one call each, with distinct failures (no tool, no daemon, no such container).

It runs on this machine, or on another one through a given CommandRunner."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from fixer.errors import NoSuchTarget, Unreachable
from fixer.formats.launchers import starts_init
from fixer.hosts.docker_engine.engine_program import choose_engine, engine_program
from fixer.hosts.machine import look_budget, run_process
from fixer.hosts.sh.run_command import without_api_url
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.host import CommandResult
from fixer.model.query import CUT_OFF

with lazy_imports():
    import difflib  # only for a typing error

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
DEPENDS_LABEL = "com.docker.compose.depends_on"
DRY_UP = ("--dry-run", "-d", "--no-deps", "--no-build", "--pull", "never")
DRY_UP_ALL = tuple(word for word in DRY_UP if word != "--no-deps")  # with the service's dependencies
_NO_DAEMON = regex(r"Cannot connect to the Docker daemon|permission denied while trying to connect|"
                        r"error during connect|context deadline exceeded|Is the docker daemon running", re.IGNORECASE)
_WEB_PORTS = frozenset({"80/tcp", "443/tcp"})


class CommandRunner(Protocol):
    """Runs a command to its end, here or on another machine."""

    def __call__(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 10.0,
                 max_output: int = run_process.MAX_OUTPUT) -> CommandResult: ...


def docker_argv(*words: str) -> list[str]:
    """Return a command of the engine's command line: no other place names its program."""
    return [engine_program(), *words]


def is_docker_command(argv: Sequence[str]) -> bool:
    """Return whether it runs the engine's command line itself."""
    return argv[:1] == (engine_program(),)


@dataclass(frozen=True, slots=True)
class Docker:
    """An engine's command line. `remote_runner` runs commands on the engine's machine; None on this one.
    `host` is the node name of that machine, if it is one."""

    remote_runner: CommandRunner | None = None
    host: str = "local"

    @property
    def run(self) -> CommandRunner:
        """Return the runner for the engine's machine."""
        return run_process.run if self.remote_runner is None else self.remote_runner

    def __call__(self, *words: str, timeout: float = 15.0) -> CommandResult:
        """Run one docker command; raise `Unreachable` if docker is missing or its daemon does not answer."""
        return self._require_daemon(self.run(docker_argv(*words), timeout=timeout))

    def bounded(self, *words: str, timeout: float = 15.0, stdin: bytes = b"") -> CommandResult:
        """Run a command that reads untrusted files, with a memory limit."""
        return self._require_daemon(self.run(with_memory_limit(*docker_argv(*words)), timeout=timeout, stdin=stdin))

    def dry_up(self, *words: str, timeout: float = 15.0, stdin: bytes = b"") -> CommandResult:
        """Run an up with `--dry-run`; see `with_temporary_buildx`."""
        return self._require_daemon(self.run(with_temporary_buildx(*docker_argv(*words)), timeout=timeout, stdin=stdin))

    def _require_daemon(self, result: CommandResult) -> CommandResult:
        if result.missing:
            raise Unreachable("docker is not installed here",
                              "docker:// and compose:// need the command docker, or podman")
        if result.timed_out and not result.truncated:
            if look_budget.is_over():       # the daemon had only what was left of the look
                raise Unreachable(f"docker: {CUT_OFF}", self._late_hint())
            raise Unreachable("the Docker daemon does not answer", "docker info shows why")
        said = result.stderr.decode(errors="replace").strip()
        if result.returncode != 0 and _NO_DAEMON.search(said):
            raise Unreachable(f"the Docker daemon cannot be reached: {without_api_url(said).splitlines()[-1][:200]}",
                              self._daemon_hint(said))
        return result

    def _late_hint(self) -> str:
        """Return what to do once the look was over; another machine's load is not known here."""
        load, cpus = os.getloadavg()[0], os.cpu_count() or 1
        if self.remote_runner is None and load > cpus:
            return f"the load of this machine is {load:.1f} on {cpus} CPUs: look again when it is less busy"
        return "look again; if that takes as long, docker info shows whether the daemon answers"

    def _daemon_hint(self, said: str) -> str:
        if "permission denied" in said:
            return "run fixer as root, or as a user of the group docker"
        if self.remote_runner is None:      # a variable may name another engine than this machine's
            for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
                if os.environ.get(name):
                    return f"unset {name} to use this machine's engine, or correct it"
        return "start it (systemctl start docker), or set DOCKER_HOST to its address"


docker = Docker()
"""This machine's."""

# `ulimit -d` limits its own memory: compose reads all that its files name, even an endless device
_MEMORY_LIMIT_KB = 524288
_LIMIT_MEMORY = f'ulimit -d {_MEMORY_LIMIT_KB} 2>/dev/null; '
_TEMPORARY_BUILDX = _LIMIT_MEMORY + 'd=$(mktemp -d) || exec "$@"; BUILDX_CONFIG=$d "$@"; r=$?; rm -rf "$d"; exit "$r"'


def with_memory_limit(*words: str) -> tuple[str, ...]:
    """Return the command with a memory limit."""
    return ("sh", "-c", _LIMIT_MEMORY + 'exec "$@"', "sh", *words)


def with_temporary_buildx(*words: str) -> tuple[str, ...]:
    """Return the command with a temporary BUILDX_CONFIG: even a dry run writes builder state to the user's home."""
    return ("sh", "-c", _TEMPORARY_BUILDX, "sh", *words)


def is_daemon_unreachable(said: str) -> bool:
    """Return whether docker reports that its daemon does not answer."""
    return bool(_NO_DAEMON.search(said))


Inspected = Mapping[str, Any]
"""One object of `docker inspect`; its reader is observe, here only names, labels, state and networks are looked at."""

Networks = list[tuple[str, tuple[str, ...]]]
"""(id, network names) of each container."""


def inspect(names: Iterable[str], docker: Docker = docker) -> list[Inspected]:
    """Return the existing containers of these names."""
    wanted = list(names)
    if not wanted:
        return []
    result = docker("inspect", "--type", "container", *wanted)
    try:
        found = json.loads(result.stdout or b"[]")
    except (ValueError, RecursionError):
        what = "too much output: labels or variables are too big" if result.truncated else "output that is not JSON"
        hint = result.stderr.decode(errors="replace").strip()[:200]
        raise Unreachable(f"docker inspect returned {what}", hint) from None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def list_ids(*filters: str, docker: Docker = docker) -> list[str]:
    """Return the ids of all containers, stopped ones too, that match any of the filters."""
    words = [word for text in filters for word in ("--filter", text)]
    return docker("ps", "-a", "--no-trunc", "--format", "{{.ID}}", *words).stdout.decode().split()


def list_networks(docker: Docker = docker) -> Networks:
    """Return (id, network names) of every container, stopped ones too; no names if it shares another's network."""
    rows = docker("ps", "-a", "--no-trunc", "--format", "{{.ID}}\t{{.Networks}}").stdout.decode(errors="replace")
    cells = [row.partition("\t") for row in rows.splitlines() if row]
    return [(name, tuple(filter(None, joined.split(",")))) for name, _, joined in cells]


def inspect_one(name: str) -> Inspected:
    """Return the container of that name; raise NoSuchTarget with similar names. Where both docker and podman are
    installed, the engine that knows it is the one of this run."""
    try:
        found = inspect([name])
    except Unreachable:
        if not choose_engine(lambda program: _knows_container(program, name)):
            raise
        found = inspect([name])
    if not found and choose_engine(lambda program: _knows_container(program, name)):
        found = inspect([name])
    if not found:
        raise NoSuchTarget(f"there is no container {name}", _similar_names_hint(name))
    return found[0]


def _knows_container(program: str, name: str) -> bool:
    return run_process.run((program, "container", "inspect", "--format", "{{.Id}}", name)).returncode == 0


def _similar_names_hint(name: str) -> str:
    names = docker("ps", "-a", "--format", "{{.Names}}").stdout.decode(errors="replace").split()
    if not names:
        return "this Docker engine has no containers"
    close = difflib.get_close_matches(name, names, n=5, cutoff=0.5) or [n for n in names if name in n or n in name]
    return f"similar names: {', '.join(close[:5])}" if close else f"containers here: {', '.join(sorted(names)[:8])}"


def name_of(item: Inspected) -> str:
    """Return the container's name without docker's slash."""
    return str(item.get("Name", "")).lstrip("/")


def labels_of(item: Inspected) -> Mapping[str, str]:
    """Return the container's labels."""
    labels = (item.get("Config") or {}).get("Labels") or {}
    return {str(key): str(value) for key, value in labels.items()}


def runs_nginx(item: Inspected) -> bool:
    """Return whether its command or its image names nginx."""
    image = str((item.get("Config") or {}).get("Image", ""))
    words = [item.get("Path"), *(item.get("Args") or []), image.rsplit("/", 1)[-1].split(":", maxsplit=1)[0]]
    return any(isinstance(word, str) and word.rsplit("/", 1)[-1] in ("nginx", "openresty") for word in words)


def may_run_nginx(item: Inspected) -> bool:
    """Return whether it may contain nginx's files, by command, image, mounts or ports: a script may start nginx."""
    config = item.get("Config") or {}
    mounts = [str(mount.get("Destination", "")) for mount in item.get("Mounts") or [] if isinstance(mount, dict)]
    return (
        runs_nginx(item) or any(str(word).startswith("NGINX_VERSION=") for word in config.get("Env") or [])
        or any(place.startswith("/etc/nginx") for place in mounts)
        or not _WEB_PORTS.isdisjoint((item.get("HostConfig") or {}).get("PortBindings") or {})
    )


def status_of(item: Inspected) -> str:
    """Return running, exited, paused, created, restarting, removing or dead."""
    return str((item.get("State") or {}).get("Status", ""))


def has_new_mount_points(item: Inspected, *, is_here: bool) -> bool:
    """Return whether reading its files would create the places of its mounts, as its first start does (`docker cp`
    mounts them, too). One that was started has them. Of an engine on this machine (`is_here`) the layers show whether
    the image has them."""
    begun = str((item.get("State") or {}).get("StartedAt", ""))
    places = [str(mount.get("Destination", "")) for mount in item.get("Mounts") or ()]
    if status_of(item) != "created" or not begun.startswith("0001-") or not places:
        return False
    data = (item.get("GraphDriver") or {}).get("Data") or {}
    layers = [folder for key in ("UpperDir", "LowerDir") for folder in str(data.get(key) or "").split(":") if folder]
    return not is_here or any(not any(os.path.lexists(folder + place) for folder in layers) for place in places)


def pid_of(item: Inspected) -> int:
    """Return its first process in the engine host's numbering, 0 if none runs."""
    pid = (item.get("State") or {}).get("Pid", 0)
    return pid if isinstance(pid, int) else 0


def user_networks(item: Inspected) -> tuple[str, ...]:
    """Return its user-defined networks: on those, containers reach each other by name."""
    networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
    return tuple(name for name in networks if name not in ("bridge", "host", "none"))


def lender_of(item: Inspected) -> str:
    """Return the id of the container whose network it was created with; empty if it has its own."""
    kind, _, lender = str((item.get("HostConfig") or {}).get("NetworkMode", "")).partition(":")
    return lender if kind == "container" else ""


def is_machine(item: Inspected) -> bool:
    """Return whether its PID 1 is an init, so that services live in it and its layer is its disk."""
    return starts_init((str(item.get("Path", "")), *map(str, item.get("Args") or ())))


def runs_here(pid: int, container_id: str) -> bool:
    """Return whether this machine's process is the container's: the daemon may be elsewhere, the PID reused."""
    if pid <= 1 or len(container_id) < 64:
        return False
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            return container_id in file.read()
    except OSError:
        return False


FILES_LABELS = tuple(f"{PROJECT_LABEL}.{name}" for name in ("config_files", "working_dir", "environment_file"))
"""What a container says of the files that it was made from."""


def project_files(labels: Mapping[str, str]) -> tuple[str, str, str]:
    """Return (compose files, project folder, env files) as the labels name them."""
    files, folder, given = (labels.get(name, "") for name in FILES_LABELS)
    return files, folder, given


def compose_arguments(labels: Mapping[str, str]) -> Sequence[str]:
    """Return `compose` arguments with the project's own files; empty if a label does not name such files.
    The author of an image can write its labels, and compose prints what it cannot parse."""
    named, folder, given = project_files(labels)
    configs, settings = named.split(","), given.split(",")
    if not all(map(_is_compose_file, filter(None, configs))) or not all(map(_is_env_file, filter(None, settings))):
        return ()
    words = ["compose", "--project-name", labels.get(PROJECT_LABEL, "")]
    if folder:
        words += ["--project-directory", folder]
    for file in filter(None, configs):
        words += ["--file", file]
    for file in filter(None, settings):
        words += ["--env-file", file]
    return words


def network_override_file(service: str, network: str, depends: str) -> bytes:
    """Return a compose file for stdin that puts the service into the network of that container.
    `config-hash` counted the container's id, while the files name only the service. `depends` is the service's label:
    it counts too, and includes that container."""
    told = [words for entry in depends.split(",") if len(words := entry.split(":")) == 3]
    needs = {name: {"condition": until, "restart": again == "true", "required": True} for name, until, again in told}
    found: dict[str, Any] = {"network_mode": network, **({"depends_on": needs} if needs else {})}
    return json.dumps({"services": {service: found}}).encode()


def keeps_containers(result: CommandResult, names: Iterable[str]) -> bool:
    """Return whether the dry-run up would leave these containers as they are; it may start or replace others."""
    lines = [line.split() for line in (result.stdout + result.stderr).decode("utf-8", "replace").splitlines()]
    return result.returncode == 0 and not any(
        words[-1].startswith("Recreat") and set(words).intersection(names) for words in lines if words)


def _is_compose_file(path: str) -> bool:
    """Return whether the path is absolute and has the extension of a compose file."""
    return path.startswith("/") and path.lower().endswith((".yml", ".yaml", ".json"))


def _is_env_file(path: str) -> bool:
    return path.startswith("/") and "env" in path.rpartition("/")[2].lower()
