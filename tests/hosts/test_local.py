"""This machine as a node: commands it has, those it has not, and the target around it."""

import json
import os
from pathlib import Path

import pytest

from fixer.errors import NeedsPerson, NoSuchTarget, Unreachable, UsageError
from fixer.hosts.bundle import BundleTarget
from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.machine import procfs, query_commands, read_files, state_root
from fixer.hosts.nodes.local_node import LocalAsker
from fixer.hosts.open_target import open_target
from fixer.model.capture import Capture, NodeCapture
from fixer.model.host import CommandResult
from fixer.model.query import Answer, Command, ListProcesses, ReadFile
from fixer.model.target import TargetRef

LOCAL = TargetRef("local", "")


def test_the_local_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = open_target(LOCAL)
    assert [(a.name, a.kind) for a in target.askers()] == [("local", "machine")]
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path))
    writer, folder = target.journal_location()
    assert (writer.name, folder) == ("local", f"{tmp_path}/targets/local")
    assert target.writer("local").run(["echo", "x"]).stdout == b"x\n"
    assert target.writer("local").files.state(str(tmp_path)).kind == "other"
    with pytest.raises(NeedsPerson):
        target.writer("elsewhere")
    target.close()


def test_state_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BADGATEWAY_STATE", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_root.state_root() == "/var/lib/badgateway"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/x/state")
    assert state_root.state_root() == "/x/state/badgateway"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert state_root.state_root() == "/home/me/.local/state/badgateway"


def test_another_user_is_told_of_what_root_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BADGATEWAY_STATE", raising=False)
    monkeypatch.setattr(state_root, "ROOT_STATE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert state_root.unseen_root_state() == str(tmp_path)
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "mine"))
    assert state_root.unseen_root_state() is None         # they chose the place themselves
    monkeypatch.delenv("BADGATEWAY_STATE")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_root.unseen_root_state() is None         # root sees them
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(state_root, "ROOT_STATE", str(tmp_path / "nothing"))
    assert state_root.unseen_root_state() is None


def test_folders_of_targets_are_apart() -> None:
    words = [TargetRef("docker", "a-b"), TargetRef("compose", "a-b"), TargetRef("ssh", "u@h:22"), TargetRef("ssh", "u_h_22"), LOCAL]
    folders = {state_root.target_folder("/s", ref) for ref in words}
    assert len(folders) == len(words)
    assert all(f.startswith("/s/targets/") and f.count("/") == 3 for f in folders)


def test_our_own_process_is_not_in_the_table() -> None:
    files = LocalAsker().ask([ListProcesses()])[ListProcesses()].files
    assert not [f for f in files if f.path.startswith(f"/proc/{os.getpid()}/")]


def test_kernel_threads_are_told_by_their_flag() -> None:
    assert procfs.is_kernel_thread(b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0")
    assert not procfs.is_kernel_thread(b"9 (a) S (b) S 1 9 9 0 -1 4194560 0 0")
    assert not procfs.is_kernel_thread(b"")


def test_unreadable_pids_are_named() -> None:
    assert procfs.unreadable_text([]) == ""
    assert procfs.unreadable_text(["12", "9"]) == "descriptors of 2 processes not readable (pid 9 12)"


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    (tmp_path / "f").chmod(0)
    pid = os.fork()
    if pid == 0:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        tmp_path_answer = read_files.answer_file(ReadFile(f"{tmp_path}/f"))
        os._exit(0 if tmp_path_answer.status == "denied" and not tmp_path_answer.files[0].data else 1)
    assert os.waitpid(pid, 0)[1] == 0


FIB = b"""Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.5
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
Local:
        |-- 10.0.0.5
           /32 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
"""


def test_own_addresses_from_the_routing_table() -> None:
    v6 = b"00000000000000000000000000000001 01 80 10 80 lo\nfe800000000000000042acfffe110002 02 40 20 80 eth0\nbad\n"
    assert query_commands.own_addresses(FIB, v6) == b"10.0.0.5\n127.0.0.1\n::1\nfe80::42:acff:fe11:2\n"


def result(code: int | None, out: bytes = b"", **more: bool) -> CommandResult:
    return CommandResult(("tool",), code, out, b"", **more)


def test_results_become_answers() -> None:
    assert query_commands.answer_of([result(0, b"a\n"), result(0, b"b\n")]).data == b"a\n--\nb\n"
    assert query_commands.answer_of([result(None, missing=True)]).status == "no-tool"
    assert query_commands.answer_of([result(None, timed_out=True)]).status == "timeout"
    assert query_commands.answer_of([result(None)]).status == "failed"
    bad = query_commands.answer_of([result(0), result(4, b"x")])
    assert (bad.status, bad.returncode, bad.message) == ("failed", 4, "tool ended with 4")
    assert query_commands.resolve_answer(("a",), [result(None, missing=True)]).status == "no-tool"
    assert "a" in query_commands.resolve_answer(("a",), [result(None, timed_out=True)]).message


def test_every_command_has_a_constant_argv() -> None:
    show = query_commands.commands_for(Command("systemctl-show", ("a.service", "b@1.socket")))
    assert show is not None
    assert show[0].argv[:4] == ("systemctl", "show", "--no-pager", "--all")
    assert show[0].argv[-3:] == ("--", "a.service", "b@1.socket")
    every = query_commands.commands_for(Command("systemctl-show"))
    assert every is not None
    assert every[0].argv[len(show[0].argv) - 3] == "--"
    assert all(word.endswith(".service") for word in every[0].argv[len(show[0].argv) - 2:])
    units = query_commands.commands_for(Command("systemctl-units"))
    assert units is not None
    assert [run.argv[1] for run in units] == ["list-units", "list-unit-files"]
    test = query_commands.commands_for(Command("nginx-test", ("/usr/sbin/nginx", "/c", "/p")))
    assert test is not None
    assert test[0].argv == ("/usr/sbin/nginx", "-t", "-c", "/c", "-p", "/p")
    for refused in (("journal", ("a", "x")), ("journal", ("-n",)), ("resolve", ("a b",)), ("nginx-version", ("x",)),
                    ("docker-top", ("c",)), ("systemctl-show", ("a.service", "--host=x")), ("systemctl-jobs", ("x",))):
        assert query_commands.commands_for(Command(*refused)) is None


def inspected(*argv: str) -> dict:
    return {"Name": "/c", "Path": argv[0], "Args": list(argv[1:])}


@pytest.mark.parametrize("argv", [
    ["/lib/systemd/systemd"], ["/sbin/init"], ["/init"], ["/usr/bin/python3", "/usr/bin/supervisord", "-n"],
    ["supervisord", "-c", "/etc/s.conf"], ["/bin/s6-svscan", "/run/s6"], ["tini", "--", "supervisord"],
    ["/usr/bin/dumb-init", "-v", "/sbin/init"], ["sh", "-c", "mkdir -p /run/x && exec /sbin/init"],
])
def test_machines(argv: list[str]) -> None:
    assert docker_cli.is_machine(inspected(*argv))


@pytest.mark.parametrize("argv", [
    ["nginx", "-g", "daemon off;"], ["/docker-entrypoint.sh", "nginx"], ["tini", "--", "uvicorn", "a:b"], ["tini"],
    ["/bin/sh", "-c", "uvicorn main:app"], ["python3", "-m", "uvicorn", "init:app"], ["dumb-init", "gunicorn"], [""],
    ["sh"], ["sleep", "1"],
])
def test_containers_that_are_no_machines(argv: list[str]) -> None:
    assert not docker_cli.is_machine(inspected(*argv))


@pytest.mark.parametrize(("more", "may"), [
    ({}, False), ({"Config": {"Env": ["PATH=/bin", "NGINX_VERSION=1.27.3"]}}, True),
    ({"Mounts": [{"Destination": "/etc/nginx/conf.d"}]}, True), ({"Mounts": [{"Destination": "/srv"}], "Config": {}}, False),
    ({"HostConfig": {"PortBindings": {"443/tcp": [{"HostPort": "8443"}]}}}, True),
    ({"HostConfig": {"PortBindings": {"8000/tcp": [{"HostPort": "80"}]}}}, False), ({"Args": ["nginx"]}, True),
])
def test_a_stopped_container_whose_own_script_may_start_nginx(more: dict[str, object], may: bool) -> None:
    assert docker_cli.may_run_nginx({**inspected("/bin/sh", "/start.sh"), **more}) is may


def test_inspect_fields() -> None:
    item = json.loads("""{"Name": "/shop-web-1", "Id": "ab", "State": {"Status": "running", "Pid": 77},
        "Config": {"Labels": {"com.docker.compose.project": "shop", "com.docker.compose.project.working_dir": "/srv/shop",
        "com.docker.compose.project.config_files": "/srv/shop/a.yaml,/srv/shop/b.yaml",
        "com.docker.compose.project.environment_file": "/srv/shop/.env"}},
        "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "b"}, "shop_default": {"NetworkID": "n1"}}}}""")
    assert docker_cli.name_of(item) == "shop-web-1"
    assert (docker_cli.status_of(item), docker_cli.pid_of(item), docker_cli.user_networks(item)) == ("running", 77, ("shop_default",))
    assert list(docker_cli.compose_arguments(docker_cli.labels_of(item))) == [
        "compose", "--project-name", "shop", "--project-directory", "/srv/shop", "--file", "/srv/shop/a.yaml",
        "--file", "/srv/shop/b.yaml", "--env-file", "/srv/shop/.env"]
    assert docker_cli.labels_of({"Config": None}) == {}
    assert not docker_cli.runs_here(os.getpid(), "0" * 64)
    assert not docker_cli.runs_here(0, "0" * 64)


@pytest.mark.parametrize(("label", "named"), [
    ("config_files", "/etc/shadow"), ("config_files", "/srv/a.yaml,https://evil.example/x.yaml"), ("config_files", "oci://evil.example/x"),
    ("config_files", "a.yaml"), ("environment_file", "/etc/shadow"),
])
def test_no_label_has_compose_read_another_file(label: str, named: str) -> None:
    """An image brings labels along; what compose cannot use, a line of /etc/shadow, it repeats in its complaint."""
    assert docker_cli.compose_arguments({f"com.docker.compose.project.{label}": named}) == ()


def test_a_bundle_answers_what_was_asked_and_nothing_else(tmp_path: Path) -> None:
    query = ReadFile("/etc/x")
    capture = Capture(LOCAL, (
        NodeCapture("local", "machine", 5.0, True, {query: Answer("ok", b"x")}, 3600.0),
        NodeCapture("app", "container", 0.0, False, {}, unreachable="app is exited"),
    ), ("a note",))
    (tmp_path / "b.tgz").write_bytes(b"raw")
    target = open_target(TargetRef("bundle", f"{tmp_path}/b.tgz"), load_bundle=lambda data: capture if data == b"raw" else None)
    assert isinstance(target, BundleTarget)
    here, gone = target.askers()
    assert here.ask([query])[query].data == b"x"
    assert here.ask([ReadFile("/y")])[ReadFile("/y")].status == "failed"
    assert (here.clock().now, here.clock().utc_offset, here.clock().root, target.notes) == (5.0, 3600.0, True, ("a note",))
    with pytest.raises(Unreachable, match="exited"):
        gone.ask([query])
    for refused in (lambda: target.writer("local"), target.journal_location):
        with pytest.raises(NeedsPerson):
            refused()
    target.close()
    with pytest.raises(UsageError):
        open_target(TargetRef("bundle", f"{tmp_path}/b.tgz"))
    with pytest.raises(NoSuchTarget):
        open_target(TargetRef("bundle", str(tmp_path)), load_bundle=lambda data: capture)
