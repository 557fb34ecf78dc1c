"""Answers of the Docker engine: containers, logs, processes and the hashes of compose services."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from fixer.formats.docker_conventions import widest_project_files
from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.container_selection import Listing, containers_at, containers_named
from fixer.hosts.docker_engine.docker_cli import Docker, Inspected, Networks
from fixer.hosts.machine import query_commands
from fixer.model.query import Answer, Command

_HASH_LABEL = "com.docker.compose.config-hash"
_SEARCHED_LINES = 5000  # lines of both streams that are searched
_STDERR_FACTOR = 5  # stderr, which holds the errors, keeps this many times as many lines


def inspect_answer(found: Sequence[Inspected]) -> Answer:
    """Return containers as the answer of `docker inspect`."""
    return Answer("ok", json.dumps(list(found)).encode(), returncode=0)


def answer_docker(query: Command, docker: Docker = docker_cli.docker) -> Answer:
    """Return the answer to a docker query."""
    kinds: Mapping[tuple[str, int], Callable[..., Answer]] = {
        ("docker-project", 1): lambda docker, project: inspect_answer(project_containers(project, docker)),
        ("docker-container", 1): _answer_container, ("docker-logs", 2): _answer_logs, ("docker-top", 1): _answer_top,
        ("compose-hash", 2): compose_hash,
    }
    if query.name == "docker-published" and all(word.isdigit() or word.startswith("/") for word in query.args):
        return _answer_published(docker, query.args)
    if query.name == "docker-called" and len(query.args) > 1:
        return _answer_named(docker, query.args)
    answer = kinds.get((query.name, len(query.args)))
    if answer is None or any(arg.startswith("-") or "\0" in arg for arg in query.args):
        return query_commands.refused_answer(query)
    return answer(docker, *query.args)


def project_containers(project: str, docker: Docker = docker_cli.docker) -> list[Inspected]:
    """Return every container of a compose project, stopped ones too, sorted by name."""
    ids = docker_cli.list_ids(f"label={docker_cli.PROJECT_LABEL}={project}", docker=docker)
    found = docker_cli.inspect(ids, docker)
    return sorted(found, key=docker_cli.name_of)


def with_peers(item: Inspected, docker: Docker = docker_cli.docker, *, rows: Networks | None = None) -> list[Inspected]:
    """Return a container and its peers: containers that nginx reaches by the same names. `rows` were asked before.
    Peers share a user-defined network with it, lend it their network, or use the network of one of these."""
    networks, lender = set(docker_cli.user_networks(item)), docker_cli.lender_of(item)
    rows = docker_cli.list_networks(docker) if rows is None else rows
    ids = [name for name, joined in rows if networks.intersection(joined)]
    ids += [lender] if lender and not lender.startswith("-") else []
    guests = [name for name, joined in rows if not joined]
    own = str(item.get("Id"))
    found = docker_cli.inspect(dict.fromkeys(i for i in (*ids, *guests) if i != own), docker)
    known = {own, *ids}
    peers = [one for one in found if one.get("Id") in known or docker_cli.lender_of(one) in known]
    return [item, *sorted(peers, key=docker_cli.name_of)]


def _answer_container(docker: Docker, name: str) -> Answer:
    found = docker_cli.inspect([name], docker)
    if not found:
        return Answer("absent", message=f"no container {name}")
    return inspect_answer(found if docker_cli.is_machine(found[0]) else with_peers(found[0], docker))


def _answer_published(docker: Docker, places: Sequence[str]) -> Answer:
    return inspect_answer(containers_at(places, Listing(docker)))


def _answer_named(docker: Docker, words: Sequence[str]) -> Answer:
    return inspect_answer(containers_named(*words, docker=docker))


def _answer_logs(docker: Docker, container: str, lines: str) -> Answer:
    if not lines.isdigit() or int(lines) == 0:
        return Answer("failed", message=f"not a number of lines: {lines}")
    # --tail counts both streams: the access lines of two seconds would push out the errors of a minute
    result = docker("logs", "--timestamps", "--tail", str(max(int(lines), _SEARCHED_LINES)), container)
    if result.truncated:
        result = docker("logs", "--timestamps", "--tail", lines, container)
    if result.returncode != 0:
        said = result.stderr.decode(errors="replace").strip().splitlines()[-1:]
        words = "docker logs failed" + "".join(f": {line.rpartition('daemon: ')[2][:200]}" for line in said)
        return Answer("failed", stderr=result.stderr, returncode=result.returncode, message=words)
    # docker separates the streams; the timestamps have a fixed width, so they sort as text
    both = [*result.stdout.splitlines(keepends=True)[-int(lines):],
            *result.stderr.splitlines(keepends=True)[-int(lines) * _STDERR_FACTOR:]]
    both.sort(key=_timestamp)
    return Answer("ok", b"".join(both), returncode=0)


def _timestamp(line: bytes) -> bytes:
    return line[:30]


def _answer_top(docker: Docker, container: str) -> Answer:
    result = docker("top", container, "-eo", "pid,ppid,uid,args")
    if result.returncode != 0:
        return Answer("failed", stderr=result.stderr, returncode=result.returncode, message="docker top failed")
    return Answer("ok", result.stdout, returncode=0)


def compose_hash(docker: Docker, project: str, service: str, *, found: Sequence[Inspected] = ()) -> Answer:
    """Return the config hash of a service that Compose would compute now."""
    found = found or project_containers(project, docker)
    mine = [i for i in found if service in ("*", docker_cli.labels_of(i).get(docker_cli.SERVICE_LABEL))]
    if not mine:
        return Answer("absent", message=f"no container of service {service}")
    told = {docker_cli.project_files(docker_cli.labels_of(i)): i for i in reversed(found)}
    told = {files: i for files, i in told.items() if files[0]}
    whole = widest_project_files(told)
    if whole is None and told:  # a label may be forged, or from an older deployment
        return Answer("failed", message="its containers name different compose files")
    words = docker_cli.compose_arguments(docker_cli.labels_of(told[whole] if whole is not None else mine[0]))
    if not words:
        return Answer("failed", message="the labels of its containers name no compose files")
    result = docker.bounded(*words, "config", "--hash", service)
    if result.returncode != 0:
        said = result.stderr.decode(errors="replace").strip().splitlines()
        message = said[-1][:200] if said else "docker compose config failed"
        return Answer("failed", stderr=result.stderr, returncode=result.returncode, message=message)
    return Answer("ok", _keep_unchanged_hashes(docker, result.stdout, mine, words), returncode=0)


def _hash_in_network(docker: Docker, words: Sequence[str], service: str, network: str, depends: str) -> str:
    """Return the hash that the files give with the service in the network of that container."""
    given = docker_cli.network_override_file(service, network, depends)
    said = docker.bounded(*words, "--file", "-", "config", "--hash", service, stdin=given).stdout.split()
    return said[1].decode(errors="replace") if len(said) == 2 else ""


def _is_kept_in_network(docker: Docker, words: Sequence[str], service: str, network: str, depends: str) -> bool:
    """Return whether an up would keep it, in the network of that container.
    A service with an env_file prints another hash than it was created with. Its dependencies count too."""
    given = docker_cli.network_override_file(service, network, depends)
    tried = docker.dry_up(*words, "--file", "-", "up", *docker_cli.DRY_UP_ALL, service, stdin=given)
    return tried.returncode == 0 and b"Recreat" not in tried.stdout + tried.stderr


def _keep_unchanged_hashes(docker: Docker, printed: bytes, containers: list[Inspected],
                        words: Sequence[str]) -> bytes:
    """Return the hashes, with the label's own if compose would keep the container although it prints another.
    `config --hash` drops env_file before it hashes, `up` does not. A service with env_file thus never prints its label
    (compose 2.26). A dry-run up decides."""
    hashes = dict(line.split()[:2] for line in printed.decode(errors="replace").splitlines() if len(line.split()) >= 2)
    labels = {
        service: label for service, label in (
            (docker_cli.labels_of(c).get(docker_cli.SERVICE_LABEL, ""), docker_cli.labels_of(c).get(_HASH_LABEL, ""))
            for c in containers
        ) if label and hashes.get(service, label) != label
    }
    lent = {docker_cli.labels_of(c).get(docker_cli.SERVICE_LABEL, ""): (
        mode, docker_cli.labels_of(c).get(docker_cli.DEPENDS_LABEL, "")) for c in containers
        if (mode := str((c.get("HostConfig") or {}).get("NetworkMode", ""))).startswith("container:")}
    needs: dict[str, list[str]] = {}
    for one in containers:
        if docker_cli.labels_of(one).get(docker_cli.DEPENDS_LABEL):
            needs.setdefault(docker_cli.labels_of(one).get(docker_cli.SERVICE_LABEL, ""), []).append(
                docker_cli.name_of(one))
    for service, label in labels.items():
        tried = docker.dry_up(*words, "up", *docker_cli.DRY_UP, service)
        if tried.returncode == 0 and b"Recreat" not in tried.stdout + tried.stderr:
            hashes[service] = label
        elif service in needs and docker_cli.keeps_containers(
                docker.dry_up(*words, "up", *docker_cli.DRY_UP_ALL, service), needs[service]):
            hashes[service] = label  # its label counts what it depends on, which --no-deps leaves out
        elif service in lent and (_hash_in_network(docker, words, service, *lent[service]) == label
                                  or _is_kept_in_network(docker, words, service, *lent[service])):
            hashes[service] = label  # an up replaces it only because the container whose network it has was replaced
    return "".join(f"{service} {value}\n" for service, value in hashes.items()).encode()
