"""A container without a shell, told apart from one that ends while it is asked; the files of one that does not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.machine.look_budget import one_look
from fixer.hosts.nodes import container_node
from fixer.hosts.nodes.container_node import ContainerAsker, is_exec_refused, is_shell_missing
from fixer.model.query import ListProcesses, ReadFile, ReadGlob

BEGIN = "OCI runtime exec failed: exec failed: unable to start container process: "


@pytest.mark.parametrize(("said", "none"), [
    (BEGIN + 'exec: "sh": executable file not found in $PATH: unknown', True),
    (BEGIN + 'exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown', True),
    ("exec /bin/sh: no such file or directory", True),
    ("crun: executable file `sh` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a "
     "command that was not found", True),
    (BEGIN + "error executing setns process: exit status 1: unknown", False),
    (BEGIN + "open /proc/8120/ns/ipc: no such file or directory: unknown", False),
    ("failed to open stdout fifo: error creating fifo /run/io/f7/e3/stdout: no such file or directory", False),
    ("Error response from daemon: container 6a16 is not running", False),
])
def test_what_docker_says_of_a_missing_shell(said: str, none: bool) -> None:
    assert is_shell_missing(said) is none


@pytest.mark.parametrize(("said", "refused"), [
    ("web cannot be observed: Error response from daemon: Cannot link to a non running container: /b AS /web/b", True),
    (BEGIN + "can't get final child's PID from pipe: EOF: unknown", True),
    ("Error response from daemon: container 6a16 is not running", False),
    ("Error response from daemon: Container 6a16 is paused, unpause the container before exec", False),
    ("Error response from daemon: No such container: web", False),
    ("web ended during the observation", False),
])
def test_what_docker_says_where_it_starts_no_further_program(said: str, refused: bool) -> None:
    """The container may run all the same: its files, processes and sockets are looked at from outside."""
    assert is_exec_refused(said) is refused


def unstarted(folder: Path, *places: str, begun: str = "0001-01-01T00:00:00Z", status: str = "created") -> dict[str, object]:
    """What Docker says of a container: its image has /etc, its own layer has nothing."""
    (folder / "image" / "etc").mkdir(parents=True)
    return {"Name": "/shop", "Id": "a" * 64, "State": {"Status": status, "Pid": 0, "StartedAt": begun},
            "Mounts": [{"Destination": place} for place in places],
            "GraphDriver": {"Data": {"UpperDir": f"{folder}/own", "LowerDir": f"{folder}/first:{folder}/image"}}}


def test_a_container_that_was_never_started_is_read_only_if_that_changes_nothing(tmp_path: Path) -> None:
    assert docker_cli.has_new_mount_points(unstarted(tmp_path / "a", "/etc", "/srv/shop"), is_here=True)
    item = unstarted(tmp_path / "b", "/etc")
    assert not docker_cli.has_new_mount_points(item, is_here=True) and docker_cli.has_new_mount_points(item, is_here=False)
    for number, other in enumerate((
        unstarted(tmp_path / "c"), unstarted(tmp_path / "d", "/srv", begun="2026-01-01T00:00:00Z"),
        unstarted(tmp_path / "e", "/srv", status="exited"),
    )):
        assert not docker_cli.has_new_mount_points(other, is_here=False), number
    asker = ContainerAsker("shop", unstarted(tmp_path / "f", "/srv/shop"), meant=True)
    queries = (ReadFile("/etc/passwd"), ReadGlob(("/etc/*.conf",)), ListProcesses())
    assert [asker.ask(queries)[query].status for query in queries] == ["denied", "denied", "ok"]


def test_all_rounds_of_a_look_are_asked_in_one_program_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def prefix(container: str, *, stdin: bool = True) -> tuple[str, ...]:
        return ("env", f"CONTAINER={container}")

    monkeypatch.setattr(container_node, "docker_exec_prefix", prefix)
    asker = ContainerAsker("web", {"Name": "/shop-web-1", "Id": "a" * 64, "State": {"Status": "running", "Pid": 0}})
    query = ReadFile("/etc/passwd")
    for _ in range(2):
        with one_look():
            for _ in range(3):
                assert asker.ask([query])[query].status == "ok"
                begun.append(asker._shell(b'echo "$CONTAINER $$"', 5.0).stdout.decode())
    assert len(begun) == 6 and len(set(begun)) == 2 and all(told.startswith("shop-web-1 ") for told in begun)
