"""Steps on a real machine: nginx reloaded with proof, units, processes, waiting, and the way back of each."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator

import pytest

from fixer.apply.repair_run import RepairRun, history, undo
from fixer.apply.steps.process_step import read_process_table
from fixer.errors import Conflict, StepFailed
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.host import Target
from fixer.model.plan import (
    CheckNginx,
    DaemonReload,
    Plan,
    ReloadNginx,
    SignalProcess,
    StartNginx,
    Step,
    UnitAction,
    WaitForListener,
    WriteFile,
)
from tests.contract.container_shell import run_inside
from tests.contract.sshd_machines import SYSTEMD_OPTIONS

pytestmark = pytest.mark.docker

NGINX = ("/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/usr/share/nginx")
SITE = "/etc/nginx/sites-enabled/shop"
UNIT = "/etc/systemd/system/sleeper.service"
SLEEPER = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n"


def docker(*words: str, stdin: str = "") -> str:
    done = subprocess.run(["docker", *words], input=stdin, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Machine:
    """A running machine and what tests look at in it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def sh(self, script: str, stdin: str = "") -> str:
        return run_inside(self.name, script, shell="sh -c", data=stdin.encode())

    def put(self, path: str, text: str) -> None:
        self.sh(f"cat > {path}", text)

    def answer(self, port: int = 8088) -> str:
        return self.sh(f"curl -s -m 5 http://127.0.0.1:{port}/ || true")

    def state(self, unit: str) -> str:
        return self.sh(f"systemctl is-active {unit} || true")

    def write(self, path: str, before: str | None, after: str | None, **more: object) -> WriteFile:
        old, new = (text.encode() if text is not None else None for text in (before, after))
        return WriteFile(self.name, path, old, new, "change it", **more)  # type: ignore[arg-type]

    def check(self) -> CheckNginx:
        return CheckNginx(self.name, *NGINX)

    def reload(self) -> ReloadNginx:
        return ReloadNginx(self.name, int(self.sh("cat /run/nginx.pid")), *NGINX, "/var/log/nginx/error.log")

    def unit(self, verb: str, was: str = "active", enabled: str = "disabled", unit: str = "sleeper.service") -> UnitAction:
        return UnitAction(self.name, unit, verb, was, enabled)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def booted() -> Iterator[str]:
    images = docker("images", "--format", "{{.Repository}}:{{.Tag}}", "badgateway/machine").split()
    if not images:
        pytest.skip("the machine's image is not built")
    name = f"apply-{uuid.uuid4().hex[:8]}"
    docker("run", "-d", "--name", name, *SYSTEMD_OPTIONS, images[0])
    try:
        machine = Machine(name)
        until(lambda: machine.state("multi-user.target") == "active", 60)
        machine.sh("rm -f /etc/nginx/sites-enabled/*")
        yield name
    finally:
        docker("rm", "-f", "-v", name)


def until(condition: object, seconds: float) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.1)


@pytest.fixture
def machine(booted: str) -> Machine:
    machine = Machine(booted)
    machine.put(SITE, site("old"))
    machine.put(UNIT, SLEEPER)
    # `disable` reloads systemd, and so do units that changed: once is enough.
    machine.sh("systemctl reset-failed; systemctl is-enabled -q sleeper && systemctl disable -q sleeper || systemctl daemon-reload; "
               "systemctl restart nginx; systemctl stop sleeper")
    return machine


@pytest.fixture
def target(machine: Machine) -> Iterator[Target]:
    target = open_target(parse_target(f"docker://{machine.name}"))
    yield target
    target.close()


def site(word: str, port: int = 8088, more: str = "") -> str:
    return f"server {{ listen 127.0.0.1:{port}; {more} location / {{ return 200 {word}; }} }}\n"


def kept(target: Target, *steps: Step) -> RepairRun:
    with RepairRun.open(target, cause="c", now=time.time()) as run:
        run.round(Plan("c", "r", "safe", "change it", steps))
        run.commit()
    return run


def refused(target: Target, words: str, *steps: Step, error: type[Exception] = StepFailed) -> None:
    with pytest.raises(error, match=words):
        kept(target, *steps)
    assert history(target)[-1].state == "rolled-back" and history(target)[-1].conflicts == ()


def test_a_reload_is_proven_and_its_undo_too(machine: Machine, target: Target) -> None:
    assert machine.answer() == "old"
    kept(target, machine.write(SITE, site("old"), site("new")), machine.check(), machine.reload())
    assert machine.answer() == "new"
    result = undo(target, None)
    assert result.restored == (f"restored {SITE}", "reloaded nginx") and not result.conflicts + result.notes
    assert machine.answer() == "old" and machine.sh(f"cat {SITE}") == site("old").strip()


def test_a_reload_that_exits_0_but_keeps_the_old_configuration_is_found_out(machine: Machine, target: Target) -> None:
    machine.sh("systemd-run -q --unit holder python3 -m http.server --bind 127.0.0.1 8099")
    try:
        until(lambda: machine.answer(8099), 10)
        new = site("new", more="listen 127.0.0.1:8099;")
        refused(target, "did not apply the configuration: bind", machine.write(SITE, site("old"), new), machine.reload())
        assert machine.answer() == "old"
    finally:
        machine.sh("systemctl stop holder")


def test_a_configuration_that_nginx_refuses_is_put_back_first(machine: Machine, target: Target) -> None:
    refused(target, "unknown directive", machine.write(SITE, site("old"), "nonsense;\n"), machine.check(), machine.reload())
    assert machine.answer() == "old" and machine.sh(f"cat {SITE}") == site("old").strip()


FULL = """
import socket, time
held = [socket.create_connection(("127.0.0.1", 8088)) for _ in range(30)]
print(len(held), flush=True)
time.sleep(600)
"""


def test_a_worker_that_can_open_no_file_ends_at_a_reload_too(machine: Machine, target: Target) -> None:
    conf = machine.sh("cat /etc/nginx/nginx.conf") + "\n"
    machine.put("/etc/nginx/nginx.conf", "worker_rlimit_nofile 20;\n" + conf.replace("worker_processes auto;", ""))
    machine.sh("systemctl restart nginx")
    try:
        machine.sh("systemd-run -q --unit full python3 -c \"$(cat)\"", FULL)
        until(lambda: machine.sh("grep -c 'accept4() failed (24' /var/log/nginx/error.log || true") not in ("", "0"), 10)
        old = machine.sh("pgrep -f 'nginx: worker process$'")
        kept(target, machine.write(SITE, site("old"), site("new")), machine.reload())
        until(lambda: old not in machine.sh("pgrep -f 'nginx: worker process$'").split(), 5)
    finally:
        machine.sh("systemctl stop full; cat > /etc/nginx/nginx.conf; systemctl restart nginx", conf)


def test_an_undo_to_a_configuration_that_was_invalid_says_so(machine: Machine, target: Target) -> None:
    machine.put(SITE, "nonsense;\n")
    kept(target, machine.write(SITE, "nonsense;\n", site("new")), machine.check(), machine.reload())
    result = undo(target, None)
    assert result.conflicts == () and "because it refuses the earlier configuration" in result.notes[0]
    assert machine.sh(f"cat {SITE}") == "nonsense;" and machine.answer() == "new"


def test_an_undo_that_somebody_elses_file_keeps_from_a_reload_is_not_called_whole(machine: Machine, target: Target) -> None:
    """nginx runs on as repaired over files that are as before, until that file is mended and the undo tried again."""
    other = "/etc/nginx/modules-enabled/99-other.conf"
    run = kept(target, machine.write(SITE, site("old"), site("new")), machine.check(), machine.reload())
    machine.put(other, "no_such_thing on;\n")
    try:
        for result in (undo(target, None), undo(target, run.id)):
            assert len(result.conflicts) == 1 and "no_such_thing" in result.conflicts[0] and result.notes == ()
            assert history(target)[-1].state == "undone-with-conflicts" and machine.answer() == "new"
    finally:
        machine.sh(f"rm {other}")
    assert machine.sh(f"cat {SITE}") == site("old").strip()
    assert undo(target, run.id).conflicts == () and machine.answer() == "old"


def test_an_undo_where_nginx_has_stopped_or_restarted_since(machine: Machine, target: Target) -> None:
    kept(target, machine.write(SITE, site("old"), site("new")), machine.reload())
    machine.sh("systemctl restart nginx")
    assert undo(target, None).notes == () and machine.answer() == "old"
    kept(target, machine.write(SITE, site("old"), site("new")), machine.reload())
    machine.sh("systemctl stop nginx")
    result = undo(target, None)
    assert result.conflicts == () and "not run" in result.notes[0]
    assert machine.sh(f"cat {SITE}") == site("old").strip()


def test_a_drop_in_takes_effect_and_its_undo_too(machine: Machine, target: Target) -> None:
    machine.sh("systemctl start sleeper")
    folder = f"{UNIT}.d"
    drop_in = machine.write(f"{folder}/50-badgateway.conf", None, "[Service]\nEnvironment=PORT=7\n", create_dirs=(folder,))
    kept(target, drop_in, DaemonReload(machine.name), machine.unit("restart"))
    environment = "tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID sleeper)/environ | grep PORT || true"
    assert machine.sh(environment) == "PORT=7"
    assert machine.sh(f"stat -c %a {folder}") == "755"
    result = undo(target, None)
    assert result.conflicts == () and machine.sh(environment) == ""
    assert machine.state("sleeper") == "active" and machine.sh(f"ls -d {folder} 2>/dev/null || true") == ""


def test_what_was_stopped_and_disabled_is_so_again(machine: Machine, target: Target) -> None:
    kept(target, machine.unit("enable", "inactive"), machine.unit("start", "inactive"),
         WaitForListener(machine.name, "127.0.0.1", 8088))
    assert machine.state("sleeper") == "active" and machine.sh("systemctl is-enabled sleeper") == "enabled"
    assert undo(target, None).conflicts == ()
    assert machine.state("sleeper") == "inactive" and machine.sh("systemctl is-enabled sleeper || true") == "disabled"


@pytest.mark.parametrize("again", ["restart", "kill"])
def test_a_unit_that_somebody_started_since_is_left_running(machine: Machine, target: Target, again: str) -> None:
    """Started again by hand after the repair, as it was or after it had been killed: that is somebody's own work now."""
    begun = time.time()
    kept(target, machine.unit("enable", "inactive"), machine.unit("start", "inactive"))
    over = time.time()
    until(lambda: time.time() > over + (over - begun) + 2, 120)      # longer than fixer was at work here
    if again == "kill":
        machine.sh("systemctl kill -s KILL sleeper")
        until(lambda: machine.state("sleeper") == "failed", 10)
    machine.sh(f"systemctl {'restart' if again == 'restart' else 'start'} sleeper")
    number = machine.sh("systemctl show -P MainPID sleeper")
    result = undo(target, None)
    assert result.conflicts == ("sleeper.service was started again since, not by fixer; it is left running",)
    assert machine.sh("systemctl show -P MainPID sleeper") == number
    assert machine.sh("systemctl is-enabled sleeper || true") == "disabled"
    last = history(target)[-1]
    assert last.state == "undone-with-conflicts"
    assert undo(target, last.id).conflicts == result.conflicts      # asked once more, it is still somebody's


def test_a_unit_that_systemd_started_again_by_itself_is_stopped(machine: Machine, target: Target) -> None:
    machine.put(UNIT, SLEEPER.replace("[Service]\n", "[Service]\nRestart=always\nRestartSec=0\n"))
    machine.sh("systemctl daemon-reload")
    kept(target, machine.unit("start", "inactive"))
    over, number = time.time(), machine.sh("systemctl show -P MainPID sleeper")
    until(lambda: time.time() > over + 2, 10)
    machine.sh("systemctl kill -s KILL sleeper")
    until(lambda: machine.sh("systemctl show -P MainPID sleeper") not in ("0", number), 10)
    assert undo(target, None).conflicts == ()
    assert machine.state("sleeper") == "inactive"


def test_what_ran_and_was_enabled_is_so_again(machine: Machine, target: Target) -> None:
    machine.sh("systemctl enable -q --now sleeper")
    kept(target, machine.unit("stop", enabled="enabled"), machine.unit("disable", enabled="enabled"))
    assert machine.state("sleeper") == "inactive"
    assert undo(target, None).conflicts == ()
    assert machine.state("sleeper") == "active" and machine.sh("systemctl is-enabled sleeper") == "enabled"


def test_a_unit_beyond_its_start_limit_starts_and_one_that_dies_at_once_does_not_count(
    machine: Machine, target: Target
) -> None:
    broken = SLEEPER.replace("/bin/sleep 1000", "/bin/false")
    machine.put(UNIT, broken)
    machine.sh("systemctl daemon-reload; for i in 1 2 3 4 5 6 7; do systemctl start sleeper; done 2>/dev/null; true")
    until(lambda: machine.state("sleeper") == "failed", 10)
    kept(target, machine.write(UNIT, broken, SLEEPER), DaemonReload(machine.name), machine.unit("start", "failed"))
    assert machine.state("sleeper") == "active"
    assert undo(target, None).conflicts == ()
    assert machine.state("sleeper") == "inactive" and "/bin/false" in machine.sh("systemctl cat sleeper")
    notify = SLEEPER.replace("ExecStart=/bin/sleep 1000", "Type=oneshot\nExecStart=/bin/false")
    refused(target, "could not start sleeper", machine.write(UNIT, broken, notify), DaemonReload(machine.name),
            machine.unit("start", "inactive"))
    assert machine.sh(f"cat {UNIT}") == broken.strip()


def test_a_crash_loop_is_gone_back_to(machine: Machine, target: Target) -> None:
    looping = SLEEPER.replace("ExecStart=/bin/sleep 1000", "Restart=always\nRestartSec=60\nExecStart=/bin/false")
    machine.put(UNIT, looping)
    machine.sh("systemctl daemon-reload; systemctl start sleeper")
    until(lambda: machine.state("sleeper") == "activating", 10)
    kept(target, machine.write(UNIT, looping, SLEEPER), DaemonReload(machine.name), machine.unit("restart", "activating"))
    assert machine.state("sleeper") == "active"
    assert undo(target, None).conflicts == ()
    until(lambda: machine.state("sleeper") == "activating", 10)
    refused(target, "ended right after its start", machine.unit("reset-failed", "activating"), machine.unit("restart", "activating"))


def processes(target: Target, machine: Machine, comm: str) -> list[tuple[int, int, str]]:
    table = read_process_table(target.writer(machine.name))
    return [(e.pid, e.start_ticks, e.state) for e in table.values() if e.comm == comm and e.state != "Z"]


def test_signals_reach_the_process_that_was_meant(machine: Machine, target: Target) -> None:
    machine.sh("setsid sh -c 'trap \"\" TERM; exec tail -f /dev/null' >/dev/null 2>&1 &")
    until(lambda: processes(target, machine, "tail"), 10)
    ((pid, ticks, _),) = processes(target, machine, "tail")
    refused(target, "belongs to another process", SignalProcess(machine.name, pid, ticks + 1, "TERM", "tail"), error=Conflict)
    assert processes(target, machine, "tail")
    machine.sh(f"kill -STOP {pid}")
    until(lambda: processes(target, machine, "tail")[0][2] == "T", 10)
    kept(target, SignalProcess(machine.name, pid, ticks, "CONT", "tail"))
    until(lambda: processes(target, machine, "tail")[0][2] == "S", 10)
    assert undo(target, None).restored == (f"stopped process {pid}",)
    until(lambda: processes(target, machine, "tail")[0][2] == "T", 10)
    machine.sh(f"kill -CONT {pid}")
    run = kept(target, SignalProcess(machine.name, pid, ticks, "TERM", "tail", grace=0.3))
    assert processes(target, machine, "tail") == []
    assert undo(target, run.id).irreversible == (f"stop process {pid} (tail): cannot be undone",)
    kept(target, SignalProcess(machine.name, pid, ticks, "TERM", "tail"))         # it is gone: nothing to do is no failure
    refused(target, "has ended", SignalProcess(machine.name, pid, ticks, "CONT", "tail"))


def test_nginx_without_a_manager_is_started_and_ended(machine: Machine, target: Target) -> None:
    machine.sh("systemctl stop nginx")
    kept(target, StartNginx(machine.name, *NGINX), WaitForListener(machine.name, "127.0.0.1", 8088))
    assert machine.answer() == "old"
    assert undo(target, None).restored == ("stopped nginx",)
    assert machine.answer() == "" and processes(target, machine, "nginx") == []
    machine.put(SITE, site("old", more="listen 198.51.100.1:80;"))
    refused(target, "did not start|refuses", StartNginx(machine.name, *NGINX))


def test_waiting_ends(machine: Machine, target: Target) -> None:
    begun = time.monotonic()
    refused(target, "nothing listens on 127.0.0.1:9 of .* after 0.2 s", WaitForListener(machine.name, "127.0.0.1", 9, None, 0.2))
    refused(target, "nothing listens on /run/no.sock", WaitForListener(machine.name, "", 0, "/run/no.sock", 0.2))
    assert time.monotonic() - begun < 20      # each ends about when it should, not at a limit of a tool
    gone = WaitForListener(machine.name, "127.0.0.1", 9, None, 60, "sleeper.service")
    refused(target, "sleeper.service ended before anything listened on 127.0.0.1:9", gone)
    assert time.monotonic() - begun < 40      # it does not wait for what has ended
    run = kept(target, WaitForListener(machine.name, "", 0, "/run/systemd/private", 5))
    assert (history(target)[-1].id, history(target)[-1].state) == (run.id, "committed")


def test_the_journal_lies_inside_the_machine(machine: Machine, target: Target) -> None:
    run = kept(target, machine.write(SITE, site("old"), site("new")))
    folder = f"/var/lib/badgateway/targets/local/runs/{run.id}"
    assert machine.sh(f"stat -c %a {folder} {folder}/blobs {folder}/journal.jsonl").split() == ["700", "700", "600"]
    undo(target, run.id)


def test_a_reload_of_a_file_that_was_there_cannot_come_back_and_says_so(machine: Machine, target: Target) -> None:
    machine.put(SITE, site("new"))
    run = kept(target, machine.check(), machine.reload())
    result = undo(target, run.id)
    assert result.irreversible == ("reload nginx (nginx -t first)",)
    assert not result.conflicts
