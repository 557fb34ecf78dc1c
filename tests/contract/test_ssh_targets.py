"""ssh:// against real sshds: keys, a jump host, sudo, odd login shells, no python3 there, and every clear refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.errors import Locked, Unreachable
from fixer.hosts.machine import run_process
from fixer.hosts.open_target import open_target, parse_target
from fixer.hosts.ssh import SshTarget
from fixer.model.host import Target
from fixer.model.plan import FileMeta
from fixer.model.query import Command, ListProcesses, ListSockets, Probe, ReadFile
from tests.contract import sshd_machines
from tests.contract.sshd_machines import SshdMachine, docker

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

CONFIG = """
Host web1
  HostName {web}
Host inner
  HostName {web}
  ProxyJump {jump}
Host {jump}
  User visitor
Host stranger
  HostName {web}
  UserKnownHostsFile {folder}/none
Host changed
  HostName {web}
  HostKeyAlias changed
Host keyless
  HostName {web}
  IdentityFile {folder}/none
Host closed
  HostName 127.0.0.1
  Port 1
Host shared
  HostName {web}
  User root
  ControlMaster auto
  ControlPath {folder}/shared.sock
  ControlPersist 30
Host * !keyless
  IdentityFile {folder}/key
Host *
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  GlobalKnownHostsFile /dev/null
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdMachine]:
    """A machine behind a jump host, and a configuration that knows both."""
    folder = tmp_path_factory.mktemp("ssh")
    sshd_machines.make_key(folder)
    made = [SshdMachine(sshd_machines.unique_name("web"), folder), SshdMachine(sshd_machines.unique_name("jump"), folder)]
    web, jump = made
    known = f"{web.address},web1,inner {web.host_key}\n{jump.address} {jump.host_key}\nchanged {jump.host_key}\n"
    other = docker("exec", jump.name, "sh", "-c", "ssh-keygen -q -t ed25519 -N '' -f /root/other && cat /root/other.pub")
    known = known.replace(f"changed {jump.host_key}", "changed " + " ".join(other.split()[:2]))
    (folder / "known").write_text(known)
    (folder / "config").write_text(CONFIG.format(web=web.address, jump=jump.address, folder=folder))
    yield web
    for one in made:
        one.remove()


@pytest.fixture(autouse=True)
def _own_configuration(box: SshdMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_SSH", f"ssh -F {box.folder}/config")


@pytest.fixture(params=["root@web1", "oncall@web1", "strange@web1", "root@inner"])
def target(request: pytest.FixtureRequest, box: SshdMachine) -> Iterator[SshTarget]:
    """As root, by sudo with a talkative bash, by sudo with tcsh, and through a jump host."""
    opened = open_target(parse_target(f"ssh://{request.param}"))
    assert isinstance(opened, SshTarget)
    yield opened
    opened.close()


def open_word(word: str) -> Target:
    return open_target(parse_target(word))


def test_questions_are_answered_with_sh_alone(target: SshTarget, box: SshdMachine) -> None:
    box.sh("! command -v python3; mkdir -p '/srv/a b'; printf 'one\\n\\377two' > '/srv/a b/f'; chmod 600 '/srv/a b/f'")
    box.sh("systemctl start nginx; echo > /etc/nginx/sites-enabled/one 'server { listen 8099; return 200; }'; nginx -s reload")
    (asker,) = target.askers()
    file, probe, units = ReadFile("/srv/a b/f"), Probe("127.0.0.1", 8099, "/"), Command("systemctl-show", ("nginx.service",))
    box.wait("exec 3<>/dev/tcp/127.0.0.1/8099")
    answers = asker.ask([file, probe, units, ListProcesses(), ListSockets()])
    assert answers[file].files[0].data == b"one\n\xfftwo"
    assert json.loads(answers[probe].data)["status"] == 200
    assert b"ActiveState=active" in answers[units].data
    assert any(b"nginx: master" in f.data for f in answers[ListProcesses()].files)
    assert any(f.path.endswith("/tcp") for f in answers[ListSockets()].files)
    assert asker.clock().root
    assert abs(asker.clock().now - time.time()) < 60
    assert (asker.name, target.notes) == (target.ref.address.partition("@")[2], ())


def test_commands_and_files_there(target: SshTarget) -> None:
    writer, folder = target.journal_location()
    assert folder == "/var/lib/badgateway/targets/local"       # where fixer run there as root looks
    words = ["$HOME", "a b", "'\"", "new\nline", "%s\\n\\0101", "`id`", ";id", "*", "", "!!", "ü", "-n"]
    result = writer.run(["printf", "<%s>", *words])
    assert (result.returncode, result.stdout.decode(), result.stderr) == (0, "".join(f"<{w}>" for w in words), b"")
    assert writer.run(["id", "-u"]).stdout == b"0\n"
    assert (writer.run(["sh", "-c", "exit 255"]).returncode, writer.run(["no-such-tool"]).missing) == (255, True)
    data = bytes(range(256)) * 4000
    assert writer.run(["cat"], stdin=data).stdout == data
    path = f"/root/it's a $file {os.urandom(4).hex()}"
    writer.files.create(path, data[:3000], FileMeta(0o640, 12, 34))
    assert writer.files.read(path) == data[:3000]
    state = writer.files.state(path)
    assert (state.mode, state.uid, state.gid) == (0o640, 12, 34)
    writer.files.unlink(path)
    with pytest.raises(FileNotFoundError):
        writer.files.read(path)


def test_a_timeout_leaves_nothing_there(target: SshTarget, box: SshdMachine) -> None:
    writer, _ = target.journal_location()
    result = writer.run(["sh", "-c", "trap '' TERM HUP PIPE; echo part; sleep 4331 & sleep 4331"], timeout=3)
    assert (result.timed_out, result.returncode, result.stdout) == (True, None, b"part\n")
    box.wait("! pgrep -f '^sleep 4331'", 10)


def test_the_lock_is_held_there_until_its_holder_is_gone(box: SshdMachine) -> None:
    one, two = open_word("ssh://root@web1"), open_word("ssh://oncall@inner")
    files, others = one.journal_location()[0].files, two.journal_location()[0].files
    with files.lock("/root/lock"):
        with pytest.raises(Locked), others.lock("/root/lock"):
            pass
        assert subprocess.run(["docker", "exec", box.name, "flock", "-n", "/root/lock", "true"], check=False).returncode == 1
    with others.lock("/root/lock"):
        pass
    one.close()
    two.close()
    program = (
        "import os\nfrom fixer.hosts.open_target import open_target\nfrom fixer.hosts.open_target import parse_target\n"
        "t = open_target(parse_target('ssh://root@web1'))\n"
        "with t.journal_location()[0].files.lock('/root/lock'):\n os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    box.wait("flock -n /root/lock true", 20)


def test_one_connection_serves_all(box: SshdMachine) -> None:
    before = box.sh("journalctl -u ssh --no-pager -o cat | grep -c 'Accepted publickey' || true")
    target = open_word("ssh://root@web1")
    asker = target.askers()[0]
    for _ in range(3):
        asker.ask([ReadFile("/etc/hostname")])
    target.journal_location()[0].run(["true"])
    target.close()
    after = box.sh("journalctl -u ssh --no-pager -o cat | grep -c 'Accepted publickey' || true")
    assert int(after) - int(before) == 1


def test_a_connection_of_ones_own_is_used_and_left(box: SshdMachine) -> None:
    ssh = ["ssh", "-F", f"{box.folder}/config"]
    run_process.run([*ssh, "shared", "true"], timeout=20)
    before = box.sh("journalctl -u ssh --no-pager -o cat | grep -c 'Accepted publickey' || true")
    target = open_word("ssh://shared")
    assert target.askers()[0].ask([ReadFile("/etc/hostname")])[ReadFile("/etc/hostname")].status == "ok"
    target.close()
    after = box.sh("journalctl -u ssh --no-pager -o cat | grep -c 'Accepted publickey' || true")
    assert before == after
    assert run_process.run([*ssh, "-O", "check", "shared"], timeout=10).returncode == 0
    run_process.run([*ssh, "-O", "exit", "shared"], timeout=10)


@pytest.mark.parametrize(("word", "message", "hint"), [
    ("root@stranger", "host key of root@stranger is unknown", "ssh -l root stranger"),
    ("root@changed", "has changed", "ssh-keygen -R changed"),
    ("root@keyless", "refuses the login: .*Permission denied", "agent"),
    ("nobody-of-that-name@web1", "refuses the login", "BatchMode"),
    ("root@no-such-host.invalid", "does not resolve", "DNS"),
    ("root@closed", "cannot be reached: .*refused", "sshd"),
])
def test_refusals_say_what_is_wrong_and_what_to_do(word: str, message: str, hint: str) -> None:
    with pytest.raises(Unreachable, match=message) as caught:
        open_word(f"ssh://{word}")
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def run_fixer(box: SshdMachine, *words: str) -> tuple[int, dict]:
    done = subprocess.run([sys.executable, "-m", "fixer", *words, "--json"], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, json.loads(done.stdout)


def test_a_sudo_that_wants_a_password_is_looked_at_without_and_never_repaired(box: SshdMachine) -> None:
    box.sh("echo > /etc/nginx/sites-enabled/one 'server { listen 8098; location / { proxy_pass http://127.0.0.1:9; } }'; systemctl start nginx; nginx -s reload")
    box.wait("exec 3<>/dev/tcp/127.0.0.1/8098")
    before = box.sh("find /etc/nginx /home/visitor /var/lib -type f -exec sha256sum {} + | sort | sha256sum")
    code, report = run_fixer(box, "diagnose", "ssh://visitor@web1")
    assert (code, report["verdict"]) == (1, "broken"), report
    assert report["routes"][0]["probe"]["status"] == 502
    assert any("sudo there refuses" in note and "password" in note for note in report["notes"]), report["notes"]
    assert any("not root, so some owners" in note for note in report["notes"])
    for command in (["repair", "ssh://visitor@web1", "--yes"], ["undo", "ssh://visitor@web1"]):
        code, report = run_fixer(box, *command)
        assert (code, report["error"]["kind"]) == (4, "needs-person"), report
        assert "sudo refuses" in report["error"]["message"] and "NOPASSWD" in report["error"]["hint"]
    assert box.sh("find /etc/nginx /home/visitor /var/lib -type f -exec sha256sum {} + | sort | sha256sum") == before


def test_the_command_line_ends_with_3(box: SshdMachine) -> None:
    done = subprocess.run([sys.executable, "-m", "fixer", "diagnose", "ssh://root@closed", "--json"], capture_output=True, check=False)
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["kind"] == "unreachable"


def test_ssh_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_SSH", "no-such-ssh")
    with pytest.raises(Unreachable, match="not installed"):
        open_word("ssh://root@web1")


def test_nothing_is_left_here(box: SshdMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    program = (
        "from fixer.hosts.open_target import open_target\nfrom fixer.hosts.open_target import parse_target\n"
        "t = open_target(parse_target('ssh://root@web1'))\nt.askers()[0].ask([])\nt.close()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert not list(tmp_path.iterdir())
