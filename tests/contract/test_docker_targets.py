"""docker:// and compose:// against real containers: their nodes, their refusals, and that nothing is ever started."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.apply.steps.listener_step import has_listener
from fixer.apply.steps.process_step import read_process_table, send_signal, wait_until
from fixer.errors import NeedsPerson, NoSuchTarget, Unreachable
from fixer.formats.process_table import parse_processes
from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.local import LocalTarget
from fixer.hosts.nodes.container_node import ContainerWriter
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.plan import WaitForListener
from fixer.model.query import Command, ListProcesses, ListSockets, Probe, ReadFile, ReadGlob, ReadTree
from lab.stack import images

pytestmark = pytest.mark.docker
IMAGE = "debian:trixie-slim"
LABEL = "badgateway.test=contract"


def docker(*words: str, data: bytes = b"") -> str:
    done = subprocess.run(["docker", *words], input=data, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def sandbox() -> Iterator[str]:
    """A prefix for names; every container and network that bears it goes away at the end."""
    prefix = f"t{uuid.uuid4().hex[:8]}"
    yield prefix
    found = docker("ps", "-aq", "--filter", f"name={prefix}").split()
    if found:
        docker("rm", "-f", *found)
    for network in docker("network", "ls", "-q", "--filter", f"name={prefix}").split():
        docker("network", "rm", network)


def create(name: str, *words: str, command: tuple[str, ...] = ("sleep", "600")) -> None:
    docker("run", "-d", "--label", LABEL, "--name", name, *words, IMAGE, *command)


def open_word(word: str):
    return open_target(parse_target(word))


def nodes(target) -> dict:
    return {asker.name: asker for asker in target.askers()}


def test_a_container_its_peers_and_the_engine(debian: str, sandbox: str) -> None:
    docker("network", "create", "--label", LABEL, sandbox)
    create(f"{sandbox}a", "--network", sandbox, "--user", "1234", "-w", "/tmp")
    create(f"{sandbox}b", "--network", sandbox)
    target = open_word(f"docker://{sandbox}a")
    found = nodes(target)
    assert list(found) == [f"{sandbox}a", f"{sandbox}b", "engine"]
    assert {n: a.kind for n, a in found.items()} == {
        f"{sandbox}a": "container", f"{sandbox}b": "container", "engine": "machine"}
    answers = found[f"{sandbox}a"].ask([ReadFile("/etc/shadow"), Command("resolve", (f"{sandbox}b",))])
    assert answers[ReadFile("/etc/shadow")].status == "ok"      # asked as root whatever the image's user is
    assert answers[Command("resolve", (f"{sandbox}b",))].data.startswith(f"{sandbox}b ".encode())
    query = Command("docker-container", (f"{sandbox}a",))
    for _ in range(2):      # known from opening, then asked anew
        told = json.loads(found["engine"].ask([query])[query].data)
        assert [docker_cli.name_of(item) for item in told] == [f"{sandbox}a", f"{sandbox}b"]
    assert target.writer("engine").files.state("/etc/passwd").kind == "file"
    assert target.writer(f"{sandbox}a").run(["true"]).returncode == 0
    with pytest.raises(NeedsPerson):
        target.writer(f"{sandbox}b")
    writer, folder = target.journal_location()
    assert (writer.name, folder.endswith(f"/targets/docker-{sandbox}a")) == ("engine", True)
    target.close()


def test_engine_reads_this_machine_and_logs_in_order(sandbox: str, tmp_path: Path) -> None:
    create(sandbox, command=("sh", "-c", "echo one; echo two >&2; echo three; exec sleep 600"))
    said = ["sh", "-c", 'docker logs "$1" 2>&1 | wc -l', "sh", sandbox]
    assert wait_until(lambda: subprocess.run(said, capture_output=True, check=True).stdout.strip() == b"3", 10.0)
    (tmp_path / "f").write_text("here")
    engine = nodes(open_word(f"docker://{sandbox}"))["engine"]
    file, logs, top = ReadFile(f"{tmp_path}/f"), Command("docker-logs", (sandbox, "10")), Command("docker-top", (sandbox,))
    hostile = [Command("docker-logs", ("--help", "1")), Command("docker-logs", (sandbox, "x")), Command("docker-top", ())]
    answers = engine.ask([file, logs, top, *hostile, Command("docker-logs", ("no-such-container", "1"))])
    assert answers[file].files[0].data == b"here"
    lines = answers[logs].data.splitlines()
    assert lines == sorted(lines)      # by time, whichever of the two streams a line came from
    assert {line.split(b" ", 1)[1] for line in lines} == {b"one", b"two", b"three"}
    assert b"sleep 600" in answers[top].data
    assert all(answers[q].status == "failed" for q in hostile)
    assert answers[Command("docker-logs", ("no-such-container", "1"))].status == "failed"


def test_a_stopped_container_stays_stopped(sandbox: str) -> None:
    create(sandbox)
    docker("stop", "-t", "0", sandbox)
    target = open_word(f"docker://{sandbox}")
    found = nodes(target)
    answers = found[sandbox].ask([ListProcesses(), ReadFile("/etc/passwd")])
    assert answers[ListProcesses()].files == () and b"root" in answers[ReadFile("/etc/passwd")].files[0].data     # it was asked for
    query = Command("docker-container", (sandbox,))
    assert json.loads(found["engine"].ask([query])[query].data)[0]["State"]["Status"] == "exited"
    assert docker("inspect", "-f", "{{.State.Status}}", sandbox) == "exited"
    docker("start", sandbox)
    assert nodes(target)[sandbox].ask([ReadFile("/etc/passwd")])


@pytest.mark.parametrize(("place", "status"), [("/etc/shop/settings.json", "denied"), ("/etc/hosts.allow", "denied"),
                                               ("/etc/issue", "ok")])
def test_a_container_that_was_never_started_gets_no_mount_points(debian: str, sandbox: str, place: str, status: str) -> None:
    """`docker cp` makes the places of its mounts; where its image has them, there is nothing to make."""
    docker("create", "--label", LABEL, "--name", sandbox, "-v", f"/etc/hostname:{place}:ro", IMAGE, "sleep", "600")
    before = docker("diff", sandbox)
    query = ReadFile("/etc/passwd")
    answer = nodes(open_word(f"docker://{sandbox}"))[sandbox].ask([query])[query]
    assert (answer.status, docker("diff", sandbox)) == (status, before)


def test_a_container_that_stops_between_opening_and_asking(sandbox: str) -> None:
    create(sandbox)
    asker = nodes(open_word(f"docker://{sandbox}"))[sandbox]
    docker("rm", "-f", sandbox)
    with pytest.raises(Unreachable):
        asker.ask([ReadFile("/etc/passwd")])


def test_names_that_are_not_there_get_those_that_are(sandbox: str) -> None:
    create(f"{sandbox}shop")
    with pytest.raises(NoSuchTarget) as caught:
        open_word(f"docker://{sandbox}shp")
    assert f"{sandbox}shop" in caught.value.hint
    with pytest.raises(NoSuchTarget) as caught:
        open_word(f"compose://{sandbox}none")
    assert caught.value.hint


def test_docker_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    for word in ("docker://x", "compose://x"):
        with pytest.raises(Unreachable) as caught:
            open_word(word)
        assert "\n" not in caught.value.message
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unreachable, match="not installed"):
        open_word("docker://x")


COMPOSE = """services:
  web: {image: "IMAGE", command: sleep 600, labels: {badgateway.test: contract}}
  app: {image: "IMAGE", command: sleep 600, labels: {badgateway.test: contract}, scale: 2}
  once: {image: "IMAGE", command: "true", labels: {badgateway.test: contract}}
"""


def test_a_compose_project_by_service(sandbox: str, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE.replace("IMAGE", IMAGE))
    words = ("compose", "-p", sandbox, "-f", str(file))
    docker(*words, "up", "-d", "--pull", "never", "--quiet-pull")
    try:
        docker("wait", f"{sandbox}-once-1")
        target = open_word(f"compose://{sandbox}")
        found = nodes(target)
        assert set(found) == {"once", f"{sandbox}-app-1", f"{sandbox}-app-2", "web", "engine"}
        assert found["web"].ask([ReadFile("/etc/passwd")])[ReadFile("/etc/passwd")].status == "ok"
        with pytest.raises(Unreachable, match="exited"):
            found["once"].ask([])
        one, every = Command("compose-hash", (sandbox, "web")), Command("compose-hash", (sandbox, "*"))
        answers = found["engine"].ask([one, every, Command("docker-project", (sandbox,))])
        label = docker("inspect", "-f", '{{index .Config.Labels "com.docker.compose.config-hash"}}', f"{sandbox}-web-1")
        assert answers[one].data.decode().split() == ["web", label]
        assert {line.split()[0] for line in answers[every].data.decode().splitlines()} == {"web", "app", "once"}
        assert len(json.loads(answers[Command("docker-project", (sandbox,))].data)) == 4
        assert target.journal_location()[1].endswith(f"/targets/compose-{sandbox}")
        number = docker("inspect", "-f", "{{.Id}}", f"{sandbox}-web-1")[:12]
        for spelling in (f"docker://{sandbox}-web-1", f"docker://{number}"):      # one history and one lock
            assert open_word(spelling).journal_location()[1] == target.journal_location()[1]
        assert target.writer("web").run(["true"]).returncode == 0
        with pytest.raises(NeedsPerson):
            _ = target.writer("web").files
        forged = [f"com.docker.compose.{name}" for name in (
            f"project={sandbox}", "service=web", "project.config_files=/dev/shm/other.yaml", "project.working_dir=/dev/shm")]
        labels = [word for label in (*forged, "badgateway.test=contract") for word in ("--label", label)]
        docker("run", "-d", "--name", f"a{sandbox}", *labels, IMAGE, "sleep", "600")      # the first by its name
        try:
            said = found["engine"].ask([every])[every]
            assert (said.status, said.message) == ("failed", "its containers name different compose files")
        finally:
            docker("rm", "-f", f"a{sandbox}")
    finally:
        docker(*words, "down", "-t", "0")


def test_a_container_without_a_shell(sandbox: str) -> None:
    busybox = shutil.which("busybox")
    if busybox is None or b"statically" not in subprocess.run(["file", busybox], capture_output=True, check=False).stdout:
        pytest.skip("no static busybox on this machine to make an image of")
    image = f"{sandbox}img"
    docker("import", "-c", f"LABEL {LABEL}", "-", image, data=_image(Path(busybox)))
    try:
        docker("run", "-d", "--label", LABEL, "--name", sandbox, image, "/srv/httpd", "-f", "-p", "8080", "-h", "/etc")
        asker = nodes(open_word(f"docker://{sandbox}"))[sandbox]
        tree, glob = ReadTree("/etc/nginx"), ReadGlob(("/etc/nginx/*.conf", "/etc/one", "/no/*"))
        file, tail, link = ReadFile("/etc/nginx/a.conf"), ReadFile("/etc/one", 2, tail=True), ReadFile("/etc/nginx/l")
        probe = Probe("127.0.0.1", 8080, "/one")
        answers = asker.ask([tree, glob, file, tail, link, ReadFile("/nope"), ListProcesses(), ListSockets(), probe,
                             Command("systemctl-units")])
        assert [f.path for f in answers[tree].files] == ["/etc/nginx/a.conf", "/etc/nginx/l"]
        assert [f.path for f in answers[glob].files] == ["/etc/nginx/a.conf", "/etc/one"]
        assert (answers[file].files[0].data, answers[tail].files[0].data) == (b"a {}", b"ne")
        assert (answers[link].files[0].data, answers[link].files[0].stat.link_target) == (b"a {}", "a.conf")
        assert answers[ReadFile("/nope")].status == "absent"
        assert answers[Command("systemctl-units")].status == "no-tool"
        assert any(b"httpd" in f.data for f in answers[ListProcesses()].files if f.path.endswith("/cmdline"))
        assert any(b":1F90 " in f.data for f in answers[ListSockets()].files)
        assert json.loads(answers[probe].data)["status"] == 200     # from its own network namespace
    finally:
        docker("rm", "-f", sandbox)
        docker("rmi", "-f", image)


def test_a_container_whose_programs_are_its_own_only(sandbox: str) -> None:
    """No shell, no cat: its processes have owners and are no strangers', and repairs see and signal just them."""
    image = f"badgateway-test/{sandbox}"
    app = images.ensure(lambda line: None)["app"]
    remove = "import os; [os.unlink(f'/usr/bin/{n}') for n in os.listdir('/usr/bin') if not n.startswith('python')]"
    text = f'FROM {app}\nUSER root\nLABEL {LABEL}\nRUN ["/usr/bin/python3", "-c", "{remove}"]\n'
    subprocess.run(["docker", "build", "-q", "-t", image, "-"], input=text.encode(), check=True, capture_output=True)
    name = f"{sandbox}p"
    try:
        docker("run", "-d", "--name", name, "--label", LABEL, "--user", "33", image, "python3", "-m", "http.server", "8000")
        writer = ContainerWriter(name, docker_cli.inspect_one(name))
        assert writer.run(["python3", "-c", "print(7)"]).stdout == b"7\n" and writer.run(["nginx", "-t"]).missing
        wanted = WaitForListener(name, "0.0.0.0", 8000, None, 20.0)
        assert wait_until(lambda: has_listener(wanted, writer.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"]).stdout), 20.0)
        table = parse_processes(nodes(open_word(f"docker://{name}"))[name].ask([ListProcesses()])[ListProcesses()], 0.0)
        assert [p.uid for p in table.by_pid().values()] == [33] and table.containers == {}
        seen = read_process_table(writer)
        assert seen[1].comm == "python3" and all(entry.comm in ("python3", "cat", "sh") for entry in seen.values())
        assert send_signal(writer, 1, seen[1].start_ticks, "CONT")
    finally:
        docker("rm", "-f", name)
        docker("rmi", image)


def _image(busybox: Path) -> bytes:
    """An image of one program and three files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data, mode in (("srv/httpd", busybox.read_bytes(), 0o755), ("etc/nginx/a.conf", b"a {}", 0o644),
                                 ("etc/one", b"one", 0o644)):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
        member = tarfile.TarInfo("etc/nginx/l")
        member.type, member.linkname = tarfile.SYMTYPE, "a.conf"
        tar.addfile(member)
    return raw.getvalue()


def test_an_nginx_that_ends_between_the_look_and_the_question_is_read_as_it_lies(debian: str, sandbox: str) -> None:
    name = f"{sandbox}n"
    create(name, "-v", "/etc/hostname:/etc/nginx/nginx.conf:ro", command=("sh", "-c", "sleep 600", "nginx"))
    asker = nodes(open_word(f"docker://{name}"))[name]      # seen running
    docker("stop", "-t", "0", name)
    query = ReadFile("/etc/nginx/nginx.conf")
    assert asker.ask([query])[query].files[0].data


def test_containers_behind_ports_of_this_machine(debian: str, sandbox: str) -> None:
    create(f"{sandbox}a", "-p", "127.0.0.1::8000")
    port = int(docker("port", f"{sandbox}a", "8000/tcp").rpartition(":")[2])
    docker("rm", "-f", f"{sandbox}a")
    create(f"{sandbox}a", "-p", f"127.0.0.1:{port}:8000")
    target = open_word("local")
    assert isinstance(target, LocalTarget) and target.has_docker()
    found = {asker.name: asker for asker in target.beside([str(port)])}
    assert list(found) == [f"{sandbox}a", "engine"]
    docker("stop", "-t", "0", f"{sandbox}a")        # its port is still known, and it is not started
    query = Command("docker-published", (str(port),))
    (told,) = [i for i in json.loads(found["engine"].ask([query])[query].data) if docker_cli.name_of(i) == f"{sandbox}a"]
    assert [a.name for a in target.beside([str(port)])] == [f"{sandbox}a", "engine"]
    assert docker_cli.status_of(told) in ("running", "exited")
    with pytest.raises(NeedsPerson):
        target.writer(f"{sandbox}a")
    assert target.writer("engine").files.state("/etc/passwd").kind == "file"
