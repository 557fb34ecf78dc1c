"""Docker's engine through its SDK: on real containers, also those that are stopped, missing or removed by another."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.errors import LabError, NoDocker
from lab.stack import docker_engine
from lab.stack.docker_command import LABEL, labelled_ids
from lab.stack.docker_engine import engine, execute, remove_labelled

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def image() -> str:
    from lab.stack import images

    return images.ensure(lambda line: None)["web"]


@pytest.fixture
def container(image: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex[:8]}"
    engine().containers.run(image, ["sleep", "100"], name=name, labels={"badgateway.test": "engine"}, detach=True)
    yield name
    engine().api.remove_container(name, force=True)


@pytest.mark.docker
def test_a_command_and_its_streams(container: str) -> None:
    ran = execute(container, ["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (ran.out, ran.err, ran.code) == (b"out\n", b"err\n", 3)
    with pytest.raises(LabError, match="exit code 1"):
        execute(container, ["false"])
    assert execute(container, ["no-such-command"], check=False).code in (126, 127)
    assert b"No such container" in execute("no-such-container", ["true"], check=False).err


@pytest.mark.docker
def test_input_of_any_length_whether_the_command_reads_it_or_not(container: str) -> None:
    data = bytes(range(256)) * 12_000
    assert execute(container, ["cat"], stdin=data).out == data
    assert execute(container, ["head", "-c", "5"], stdin=data, check=False).out == data[:5]
    assert execute(container, ["cat"], stdin=b"").out == b""


@pytest.mark.docker
def test_a_command_with_input_leaves_no_connection_open(container: str) -> None:
    def opened() -> int:
        engine().close()      # idle connections of the pool are no leak
        return len(os.listdir("/proc/self/fd"))

    gc.collect()
    gc.disable()
    try:
        before = opened()
        execute(container, ["cat"], stdin=b"x")
        assert opened() == before
    finally:
        gc.enable()


@pytest.mark.docker
def test_files_links_states_and_processes(container: str) -> None:
    execute(container, ["sh", "-c", "printf abc >/tmp/a; ln -s a /tmp/b; ln -s /tmp/b /tmp/c; mkdir /tmp/d"])
    assert docker_engine.read_file(container, "/tmp/c") == b"abc"
    assert docker_engine.read_file(container, "/tmp/none") is None and docker_engine.read_file(container, "/tmp/d") is None
    assert docker_engine.state_of(container) == "running" and docker_engine.state_of("no-such-container") == ""
    assert [command for _, command in docker_engine.processes_of(container)] == ["sleep 100"]
    docker_engine.kill(container)
    engine().api.wait(container)
    assert docker_engine.state_of(container) == "exited" and docker_engine.processes_of(container) == ()
    assert docker_engine.read_file(container, "/tmp/a") == b"abc"      # of a stopped one too
    assert b"not running" in execute(container, ["true"], check=False).err


@pytest.mark.docker
def test_processor_time_of_a_container_grows_while_it_works(container: str) -> None:
    before = docker_engine.processor_seconds(container)
    docker_engine.execute(container, ["sh", "-c", "n=0; while [ $n -lt 200000 ]; do n=$((n + 1)); done"])
    assert docker_engine.processor_seconds(container) > before > 0
    assert docker_engine.processor_seconds("no-such-container") == 0.0


@pytest.mark.docker
def test_a_container_for_one_command_leaves_nothing(image: str) -> None:
    label = {"badgateway.test": uuid.uuid4().hex}
    assert docker_engine.run_once(image, ["-c", "id -u"], entrypoint="sh", only_rights=[], labels=label) == "0"
    with pytest.raises(LabError, match="failed: no"):
        docker_engine.run_once(image, ["-c", "echo no >&2; exit 4"], entrypoint="sh", labels=label)
    assert docker_engine.run_once("badgateway/none:none", ["true"], check=False) == ""
    (pair,) = label.items()
    assert engine().api.containers(all=True, filters={"label": "=".join(pair)}) == []


@pytest.mark.docker
def test_two_that_remove_the_same_lab_both_succeed(image: str) -> None:
    lab = f"shop-{uuid.uuid4().hex[:4]}"
    engine().api.create_network(f"{lab}_inside", labels={LABEL: lab})
    for number in range(3):
        engine().containers.run(image, ["sleep", "100"], name=f"{lab}-{number}", labels={LABEL: lab}, network=f"{lab}_inside",
                                detach=True)
    both = threading.Barrier(2)

    def remove(_: int) -> None:
        both.wait()
        remove_labelled(lab)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(remove, range(2)))
    assert labelled_ids("container", lab) == labelled_ids("network", lab) == ()


@pytest.mark.docker
def test_what_carries_a_labs_label_is_found_and_no_more(image: str) -> None:
    lab = f"shop-{uuid.uuid4().hex[:4]}"
    engine().api.create_network(f"{lab}_inside", labels={LABEL: lab})
    engine().api.create_volume(f"{lab}_disk", labels={LABEL: lab})
    engine().api.create_volume(f"{lab}_other", labels={LABEL: f"{lab}2"})
    made = engine().containers.create(image, ["sleep", "100"], name=lab, labels={LABEL: lab}, network=f"{lab}_inside")
    try:
        for kind in ("container", "network", "volume"):
            [found] = docker_engine._ids_of(kind, lab)
            assert labelled_ids(kind, lab) in ((found,), (found[:12],))
        assert docker_engine.state_of(lab) == "created"
        docker_engine.start(lab)
        assert docker_engine.state_of(lab) == "running"
        with pytest.raises(LabError, match=f"{lab}-none could not be started: No such container"):
            docker_engine.start(f"{lab}-none")
        remove_labelled(lab)
        assert docker_engine.inspect(made.id) == {}
        assert [labelled_ids(kind, f"{lab}2") for kind in ("container", "network", "volume")] == [(), (), (f"{lab}_other",)]
    finally:
        remove_labelled(lab)
        remove_labelled(f"{lab}2")


@pytest.mark.parametrize(("status", "raised"), [(404, False), (409, False), (500, True)])
def test_one_that_somebody_else_removes_is_gone_too(status: int, raised: bool) -> None:
    import docker

    class Made:
        def remove(self, **_: object) -> None:
            class Answer:
                status_code = status
            raise docker.errors.APIError("removal of container is already in progress", response=Answer())     # type: ignore[arg-type]

    with pytest.raises(docker.errors.APIError) if raised else contextlib.nullcontext():
        docker_engine.remove_container(Made())


def test_an_engine_that_does_not_answer_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(NoDocker, match="no Docker engine answers"):
        docker_engine._client.__wrapped__()      # past the cache


@pytest.mark.parametrize("words", [("--help",), ("list",)])
def test_what_needs_no_engine_does_not_import_the_sdk(words: tuple[str, ...]) -> None:
    program = f"import sys; sys.argv = ['lab', *{words!r}]\nfrom lab.__main__ import main\ntry: main()\n" \
              "except SystemExit: pass\nprint(sorted(n for n in sys.modules if n.startswith('docker.')), file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.stderr.splitlines()[-1] == "[]"


@pytest.mark.docker
def test_threads_that_ask_first_at_the_same_time_share_one_client() -> None:
    """`lab down` removes a lab's containers side by side, and that is its first use of the SDK."""
    code = ("import threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "from lab.stack.docker_engine import engine\nready = threading.Barrier(8)\n"
            "def ask(_):\n    ready.wait()\n    return engine()\n"
            "with ThreadPoolExecutor(8) as pool:\n    print(len(set(map(id, pool.map(ask, range(8))))))\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "1\n", done.stderr
