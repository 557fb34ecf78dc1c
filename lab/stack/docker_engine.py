"""The Docker engine through Docker's SDK: what exists, commands in containers, files, logs, images.

Docker Compose, and what a person types (`lab shell`, a scenario's own docker command), go through docker_command.
The SDK takes a fifth of a second to import, so it is imported by the first question that needs it."""

from __future__ import annotations

import contextlib
import io
import socket
import tarfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.lazy_module import lazy_module
from lab.stack.docker_command import LABEL, FinishedCommand, no_engine

if TYPE_CHECKING:
    import docker
    import requests
else:
    docker, requests = lazy_module("docker"), lazy_module("requests")

_SECONDS = 120      # without a byte from the engine: it hangs
_REMOVAL_SECONDS = 60.0     # for another process that removes the same


_FIRST_USE = threading.Lock()     # neither a lazy import nor `cache` waits for another thread that is at it


def engine() -> docker.DockerClient:
    """Return the client of the engine that the docker command would use too: DOCKER_HOST, or the context.
    All threads share it: a pool keeps its connections."""
    with _FIRST_USE:
        return _client()


@cache
def _client() -> docker.DockerClient:
    try:
        return docker.from_env(timeout=_SECONDS)
    except docker.errors.DockerException as error:
        raise no_engine() from error


def reason(error: Exception) -> str:
    """Return what the engine said, on one line."""
    text = error.explanation if isinstance(error, docker.errors.APIError) and error.explanation else error
    return " ".join(str(text).split())


def inspect(container: str) -> Mapping[str, Any]:
    """Return what the engine knows of a container; empty if it does not exist."""
    try:
        found: Mapping[str, Any] = engine().api.inspect_container(container)
    except docker.errors.NotFound:
        return {}
    return found


def state_of(container: str) -> str:
    """Return `running`, `exited`, `paused`…; empty if the container does not exist."""
    return str(inspect(container).get("State", {}).get("Status", ""))


def networks_of(container: str) -> Mapping[str, Mapping[str, Any]]:
    """Return a container's networks by name, each with IPAddress, IPPrefixLen, Gateway and NetworkID."""
    return inspect(container).get("NetworkSettings", {}).get("Networks") or {}


def published_port(container: str, port: str) -> int | None:
    """Return the Docker host's port for a container's port such as `80/tcp`; None if it is not published now."""
    ports = inspect(container).get("NetworkSettings", {}).get("Ports") or {}
    bound = ports.get(port) or ()
    return int(bound[0]["HostPort"]) if bound else None


def network_ranges(network: str) -> tuple[Mapping[str, str], ...]:
    """Return the address ranges of a network, each with Subnet and perhaps Gateway; empty if it does not exist."""
    try:
        return tuple(engine().api.inspect_network(network)["IPAM"]["Config"] or ())
    except docker.errors.NotFound:
        return ()


def execute(
    container: str, argv: Sequence[str], *, user: str = "", stdin: bytes | None = None, check: bool = True,
) -> FinishedCommand:
    """Run a command in a running container to its end. With `check`, raise LabError if it fails or cannot be run."""
    api = engine().api
    try:
        made = api.exec_create(container, list(argv), stdin=stdin is not None, user=user)["Id"]
        if stdin is None:
            out, err = api.exec_start(made, demux=True)
        else:
            out, err = _feed(api.exec_start(made, socket=True), stdin)
        code = int(api.exec_inspect(made)["ExitCode"])
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        out, err, code = b"", f"Error response from daemon: {reason(error)}".encode(), 1
    ran = FinishedCommand(tuple(argv), code, out or b"", err or b"")
    if check and ran.code != 0:
        raise LabError(f"`{' '.join(argv[:8])}` failed in {container}: {ran.error_line}")
    return ran


def _feed(connection: Any, data: bytes) -> tuple[bytes, bytes]:
    """Send a command's input, close it, and return its output and error output."""
    from docker.utils.socket import frames_iter

    raw = connection._sock if hasattr(connection, "_sock") else connection     # the SDK hands out a file of it
    sender = threading.Thread(target=_send, args=(raw, data), daemon=True)     # a command may answer while it reads
    sender.start()
    parts: dict[int, list[bytes]] = {1: [], 2: []}
    for stream, chunk in frames_iter(connection, tty=False):  # type: ignore[no-untyped-call]
        parts[stream].append(chunk)
    with contextlib.suppress(OSError):
        raw.shutdown(socket.SHUT_RDWR)      # nobody reads what is still to be sent: a full buffer would hold the sender
    sender.join()
    if (response := getattr(connection, "_response", None)) is not None:
        response.close()    # it holds the socket as well: left alone, a cycle with the file keeps it open
    connection.close()
    return b"".join(parts[1]), b"".join(parts[2])


def _send(raw: Any, data: bytes) -> None:
    try:
        raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)
    except OSError:
        return      # the command ended before it read all


def run_once(
    image: str, argv: Sequence[str], *, network: str = "none", entrypoint: str | None = None,
    labels: Mapping[str, str] | None = None, only_rights: Sequence[str] | None = None, check: bool = True,
) -> str:
    """Run a command in a container of its own, removed afterwards; return its output.

    `only_rights` are the only capabilities that it has; its disk is read-only then."""
    limits: dict[str, Any] = {} if only_rights is None else {
        "cap_drop": ["ALL"], "cap_add": list(only_rights), "read_only": True}
    containers = engine().containers
    try:
        made = containers.create(image, list(argv), network=network, entrypoint=entrypoint, labels=dict(labels or {}),
                                 **limits)
    except (docker.errors.APIError, docker.errors.ImageNotFound) as error:
        if check:
            raise LabError(f"`{' '.join(argv[:8])}` could not be run: {reason(error)}") from error
        return ""
    try:
        made.start()
        code = int(made.wait()["StatusCode"])
        text = made.logs(stdout=True, stderr=False).decode("utf-8", "replace").strip()
        if check and code != 0:
            last = made.logs(stdout=False, stderr=True).decode("utf-8", "replace").strip().splitlines()[-1:]
            raise LabError(f"`{' '.join(argv[:8])}` failed: {last[0] if last else f'exit code {code}'}")
    except docker.errors.APIError as error:
        if check:
            raise LabError(f"`{' '.join(argv[:8])}` could not be run: {reason(error)}") from error
        return ""
    finally:
        remove_container(made)
    return str(text)


def remove_container(made: Any) -> None:
    """Remove a container and its volumes; one that somebody else removes meanwhile is gone too."""
    try:
        made.remove(force=True, v=True)
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise


def start_helper(image: str, argv: Sequence[str], *, name: str, labels: Mapping[str, str], network: str,
                 memory: str, files: Mapping[str, str]) -> None:
    """Start a container that goes on by itself; `files` are mounted read-only: path in the container → path here."""
    mounts = [docker.types.Mount(inside, outside, type="bind", read_only=True) for inside, outside in files.items()]
    try:
        engine().containers.run(image, list(argv), name=name, labels=dict(labels), network=network, mem_limit=memory,
                                mounts=mounts, init=True, detach=True)
    except (docker.errors.APIError, docker.errors.ImageNotFound) as error:
        raise LabError(f"the container {name} could not be started: {reason(error)}") from error


def logs_of(container: str, *, since: float | None = None, tail: int | None = None, timestamps: bool = False) -> bytes:
    """Return a container's log, both streams; empty if the container does not exist."""
    try:
        found = engine().api.logs(container, since=since, tail="all" if tail is None else tail, timestamps=timestamps)
    except docker.errors.NotFound:
        return b""
    return bytes(found)


def processor_seconds(container: str) -> float:
    """Return the processor time of a container's processes since its start; 0 if it does not run."""
    try:
        found = engine().api.stats(container, stream=False, one_shot=True)
    except docker.errors.APIError:
        return 0.0
    return float(found.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0)) / 1e9


def processes_of(container: str) -> tuple[tuple[int, str], ...]:
    """Return PID on the Docker host and command line of each process of a container; empty if it does not run."""
    try:
        rows = engine().api.top(container, ps_args="-eo pid,args")["Processes"] or ()
    except docker.errors.APIError:
        return ()
    return tuple((int(row[0]), " ".join(row[1:])) for row in rows)


def start(container: str) -> None:
    """Start a container that exists. Compose does the same in a tenth of a second more."""
    try:
        engine().api.start(container)
    except docker.errors.APIError as error:
        raise LabError(f"{container} could not be started: {reason(error)}") from error


def stop(container: str) -> None:
    """Stop a container; after some seconds the engine kills it."""
    try:
        engine().api.stop(container, timeout=5)
    except docker.errors.APIError as error:
        raise LabError(f"{container} could not be stopped: {reason(error)}") from error


def written_bytes(container: str) -> int:
    """Return how much a container has written to its disk, in bytes; 0 if it does not exist."""
    found = engine().api.containers(all=True, size=True, filters={"name": f"^/{container}$"})
    return int(found[0].get("SizeRw") or 0) if found else 0


def restart(container: str, *, timeout: int) -> None:
    """Restart a container; after `timeout` seconds the engine kills it."""
    try:
        engine().api.restart(container, timeout=timeout)
    except docker.errors.APIError as error:
        raise LabError(f"{container} could not be restarted: {reason(error)}") from error


def kill(container: str) -> None:
    """Send SIGKILL to a container's first process."""
    try:
        engine().api.kill(container, "KILL")
    except docker.errors.APIError as error:
        raise LabError(f"{container} could not be killed: {reason(error)}") from error


def put_tar(container: str, archive: bytes) -> None:
    """Unpack a tar at the root of a container's disk, with its owners and modes; the container need not run."""
    try:
        engine().api.put_archive(container, "/", archive)
    except docker.errors.APIError as error:
        raise LabError(f"files could not be written to {container}: {reason(error)}") from error


def read_file(container: str, path: str) -> bytes | None:
    """Return a file of a container, running or not; None if it does not exist. Links are followed."""
    api = engine().api
    try:
        for _ in range(40):     # as many links as Linux follows
            chunks, seen = api.get_archive(container, path)
            if not seen["linkTarget"]:
                break
            path = seen["linkTarget"]     # the engine gives it in full
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            member = next((entry for entry in tar if entry.isfile()), None)
            taken = tar.extractfile(member) if member is not None else None
            return taken.read() if taken is not None else None
    except docker.errors.APIError:
        return None


def read_folder(container: str, path: str) -> bytes | None:
    """Return a tar of a folder of a container, running or not, with what is mounted there; None if it is missing."""
    try:
        chunks, _ = engine().api.get_archive(container, path)
        return b"".join(chunks)
    except docker.errors.APIError:
        return None


def image_names(repository: str | None = None) -> frozenset[str]:
    """Return the names with tag of the images that the engine has, of one repository or of all."""
    return frozenset(name for image in engine().images.list(repository) for name in image.tags)


def pull_image(name: str) -> bool:
    """Get an image from its registry; return whether that worked."""
    try:
        engine().images.pull(name)
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return False
    return True


def import_image(archive: bytes, name: str, change: str) -> None:
    """Make an image of one layer from a tar of its disk; `change` is an instruction of a Dockerfile."""
    repository, _, tag = name.partition(":")
    try:
        engine().api.import_image_from_data(archive, repository=repository, tag=tag, changes=[change])
    except docker.errors.APIError as error:
        raise LabError(f"the image {name} could not be imported: {reason(error)}") from error


def build_image(folder: Path, name: str, labels: Mapping[str, str], arguments: Mapping[str, str]) -> None:
    """Build an image from a folder with a Dockerfile; raise LabError with the last lines of a failed build."""
    lines: list[str] = []
    try:
        for entry in engine().api.build(path=str(folder), tag=name, labels=dict(labels), buildargs=dict(arguments),
                                        rm=True, forcerm=True, decode=True):
            lines += str(entry.get("stream") or entry.get("error") or "").splitlines()
            if "error" in entry:
                raise LabError(f"image {name} could not be built:\n  " + "\n  ".join(lines[-8:]))
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        raise LabError(f"image {name} could not be built: {reason(error)}") from error


def remove_labelled(lab_id: str) -> None:
    """Remove every container, network and volume of a lab, whatever its files or state say."""
    for kind in ("container", "network", "volume"):
        deadline = time.monotonic() + _REMOVAL_SECONDS
        while ids := _ids_of(kind, lab_id):
            with ThreadPoolExecutor(len(ids)) as pool:
                problems = [problem for problem in pool.map(partial(_remove, kind), ids) if problem]
            if not problems:
                break
            if any("already in progress" not in problem for problem in problems) or time.monotonic() > deadline:
                raise LabError(f"the {kind}s of {lab_id} could not be removed: {problems[0]}")
            time.sleep(0.2)  # another `lab down` is removing it


def _ids_of(kind: str, lab_id: str) -> tuple[str, ...]:
    """Return the same as `labelled_ids`, without a process: the SDK is there already, to remove them."""
    wanted = {"label": f"{LABEL}={lab_id}"}
    api = engine().api
    try:
        if kind == "container":
            return tuple(found["Id"] for found in api.containers(all=True, filters=wanted))
        if kind == "network":
            return tuple(found["Id"] for found in api.networks(filters=wanted))
        return tuple(found["Name"] for found in api.volumes(filters=wanted)["Volumes"] or ())
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        raise LabError(f"the {kind}s of {lab_id} could not be listed: {reason(error)}") from error


def _remove(kind: str, identifier: str) -> str:
    """Remove one of them; return why the engine refused, empty if it is removed or does not exist."""
    api = engine().api
    try:
        if kind == "container":
            api.remove_container(identifier, force=True, v=True)
        elif kind == "network":
            api.remove_network(identifier)
        else:
            api.remove_volume(identifier, force=True)
    except docker.errors.NotFound:
        return ""
    except docker.errors.APIError as error:
        return reason(error)
    return ""


def remove_repeatedly(lab_id: str) -> None:
    """Remove them repeatedly after an interrupted start: the engine may still execute compose's requests."""
    quiet = 0
    while quiet < 3:
        left = any(_ids_of(kind, lab_id) for kind in ("container", "network", "volume"))
        remove_labelled(lab_id)
        quiet = 0 if left else quiet + 1
        time.sleep(0.2)
