"""Tests of lab/classroom/class_up.py: a class on real containers. Nobody reaches a neighbour or the host."""

from __future__ import annotations

import json
import socket
import ssl
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.classroom.class_down import class_down
from lab.classroom.class_keeper import is_kept
from lab.classroom.class_page import page_address
from lab.classroom.class_record import ClassRecord, class_file, class_names, load_class, save_class
from lab.classroom.class_status import class_state
from lab.classroom.class_up import ClassRequest, class_up
from lab.errors import UsageError
from lab.stack.authority import certificate_paths
from lab.stack.docker_command import docker, labelled_ids
from lab.stack.docker_engine import networks_of
from lab.stack.find_lab import find_lab
from lab.stack.seat import FILE_CAP, MEMORY_CAP, PIDS_CAP
from lab.verbs.reset import reset
from tests.lab.classroom.class_builders import own_address, reached, ssh, wait_until
from tests.lab.cli_builders import LAB
from tests.lab.stack.made_parts import is_made


@pytest.mark.parametrize("bind", ["0.0.0.0", "192.0.2.77", "localhost", "::1", "127.1"])
def test_only_an_address_of_this_machine_is_bound(bind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    with pytest.raises(UsageError, match="IPv4 address of this machine"):
        class_up(ClassRequest("wrong-port", ("Ada",), 60.0, bind), print)
    assert list(class_names()) == []


@pytest.fixture
def classroom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClassRecord]:
    """Two machines on an address that others reach."""
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path / "state"))
    asked = ClassRequest("wrong-port/wrong-port", ("Ada", "王小明"), 600.0, own_address(), first_seed=3)
    yield class_up(asked, lambda line: None)
    for name in list(class_names()):
        record = load_class(name)
        if record is not None:
            class_down(record)


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(300)
def test_a_class(classroom: ClassRecord, tmp_path: Path) -> None:
    """Entrances, walls, limits, a reset, and the end, which nobody has to ask for."""
    ada, other = classroom.people
    machine, neighbour = f"{ada.lab_id}-host", f"{other.lab_id}-host"
    _entrances(classroom, tmp_path)
    _page(classroom)
    _walls(classroom, machine, neighbour)
    _limits(machine, ada.lab_id)
    assert reset(find_lab(ada.lab_id), lambda line: None).seen.statuses[502] > 0
    again = ssh(tmp_path, classroom.bind, ada.ssh_port, ada.token, "hostname")
    assert again.stdout.strip() == ada.lab_id, again.stderr      # the sheet still holds
    docker("stop", "-t", "2", neighbour)      # a person switches the machine off: the keeper starts it again
    wait_until(lambda: class_state(classroom)["people"][1]["running"], 90)
    save_class(replace(classroom, until=time.time()))      # no `lab` runs now: only the keeper sees it
    wait_until(lambda: load_class(classroom.name) is None and not is_kept(classroom), 60)
    for person in classroom.people:
        assert all(labelled_ids(kind, person.lab_id) == () for kind in ("container", "network", "volume"))
        assert list(Path("/sys/fs/cgroup").glob(f"**/badgateway-lab/{person.lab_id}")) == []
    assert list(class_file(classroom.name).parent.iterdir()) == []


def _entrances(classroom: ClassRecord, folder: Path) -> None:
    """Each person gets in with the own token only; the sheet says how; a state says who is where."""
    ada, other = classroom.people
    assert ada.seed != other.seed
    inside = ssh(folder, classroom.bind, ada.ssh_port, ada.token, "hostname; ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key")
    assert inside.stdout.split()[0] == ada.lab_id and ada.host_key in inside.stdout, inside.stderr
    assert ssh(folder, classroom.bind, ada.ssh_port, other.token, "true").returncode == 255
    for ending in ("md", "html", "json"):
        path = class_file(classroom.name, ending)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and ada.token in path.read_text()
        assert ending == "json" or "王小明" in path.read_text()
    state = class_state(classroom)
    assert state["kept"] and [(one["person"], one["answer"]) for one in state["people"]] == [("Ada", 502), ("王小明", 502)]


def _page(classroom: ClassRecord) -> None:
    """The keeper serves a page for all, with TLS of the lab's authority; each token has its own."""
    ada, other = classroom.people
    trusted, _, _ = certificate_paths(class_file(classroom.name).parent, classroom.name)
    context = ssl.create_default_context(cafile=trusted) if trusted.exists() else None
    address, _, token = page_address(classroom, classroom.owner_token).partition("/#")
    assert (context is not None) == address.startswith("https://") and token == classroom.owner_token

    def me(token: str) -> dict[str, object]:
        asked = urllib.request.Request(f"{address}/api/me", headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(asked, context=context, timeout=10) as reply:
                found: dict[str, object] = json.load(reply)
        except urllib.error.HTTPError as error:
            return {"status": error.code}
        except OSError:
            return {}
        return found

    wait_until(lambda: me(token) != {})
    owner, own = me(token), me(ada.token)
    assert owner["class"] and [one["person"] for one in owner["labs"]] == ["Ada", "王小明"]      # type: ignore[attr-defined]
    assert [one["id"] for one in own["labs"]] == [ada.lab_id]      # type: ignore[attr-defined]
    assert own["actions"] == ["hint", "check"] and not own["class"] and me("guess") == {"status": 401}
    sheet = class_file(classroom.name, "md").read_text()
    assert f"{address}/#{ada.token}" in sheet and f"{address}/#{other.token}" in sheet and token not in sheet


def _walls(classroom: ClassRecord, machine: str, neighbour: str) -> None:
    """Neither a neighbour, nor its door, nor the Docker host is reached; a usual container reaches the host."""
    other = classroom.people[1]
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        shown = subprocess.run(["ip", "-4", "-o", "address"], capture_output=True, text=True, check=True).stdout
        hosts = [line.split()[3].partition("/")[0] for line in shown.splitlines() if " lo " not in line]
        (joined,) = networks_of(neighbour).values()
        doors = networks_of(f"{other.lab_id}-door").values()
        goals = [(host, port) for host in hosts]
        goals += [(classroom.bind, other.ssh_port), (classroom.bind, other.page_port)]
        goals += [(str(joined["IPAddress"]), 22), (str(joined["IPAddress"]), 80)]
        goals += [(str(one[key]), 2222) for one in doors for key in ("IPAddress", "Gateway") if one.get(key)]
        assert reached(machine, goals) == []
        usual = docker("run", "-d", "--rm", "--name", f"{machine}-usual", "--entrypoint", "sleep",
                       docker("inspect", "-f", "{{.Config.Image}}", machine).text, "120")
        try:
            assert usual.code == 0 and [hosts[0], port] in reached(f"{machine}-usual", goals)
        finally:
            docker("rm", "-f", f"{machine}-usual")


def _limits(machine: str, lab_id: str) -> None:
    """Processes, memory and files have limits that root of the machine cannot raise."""
    def inside(script: str) -> str:
        return docker("exec", machine, "sh", "-c", script, check=False).text

    told = docker("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.Privileged}}", machine)
    assert told.text == f"{MEMORY_CAP} {PIDS_CAP} false"
    assert inside("python3 -c 'import resource as r; print(r.getrlimit(r.RLIMIT_FSIZE)[1])'") == str(FILE_CAP)
    assert "not allowed to raise" in inside("python3 -c 'import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (-1, -1))' 2>&1")
    assert inside("truncate -s 2G /too-large 2>/dev/null; stat -c %s /too-large 2>/dev/null || echo 0") == "0"
    written = inside("for file in $(find /sys/fs/cgroup -name '*.max' -o -name '*limit_in_bytes' -o -name cgroup.procs); do "
                     "case $file in */systemd/*|*/unified/*) continue;; esac; [ -w $file ] && echo $file; done")
    assert [line for line in written.splitlines() if lab_id not in line] == []
    assert inside("cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6") == "1"
    assert docker("exec", f"{lab_id}-door", "cat", "/proc/sys/net/ipv4/ip_forward").text == "0"


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(300)
def test_a_command_that_was_killed_leaves_a_class_that_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL hits `lab` while the first machine starts: the keeper knows of it, and takes it down when its time is over."""
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path / "state"))
    (tmp_path / "roster.txt").write_text("Ada\n")
    words = ["class", "up", "wrong-port/wrong-port", "--names", str(tmp_path / "roster.txt"), "--seed", "3"]
    command = subprocess.Popen([LAB, *words], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def people() -> tuple[str, ...]:
        return tuple(person.lab_id for name in class_names() if (record := load_class(name)) for person in record.people)

    try:
        wait_until(lambda: bool(people()) and is_made("container", people()[0]), 120)
    finally:
        command.kill()
        command.wait()
    (name,), (lab_id,) = class_names(), people()
    record = load_class(name)
    assert record is not None and is_kept(record)
    save_class(replace(record, until=time.time()))
    wait_until(lambda: list(class_names()) == [], 90)
    assert all(labelled_ids(kind, lab_id) == () for kind in ("container", "network", "volume"))
