"""What is handed to ssh: the address as its words, a command that any login shell passes on, and what refusals mean."""

import shutil
import subprocess
from pathlib import Path

import pytest

from fixer.errors import CannotObserve
from fixer.hosts.ssh import (
    _LOGIN_SCRIPT,
    explain_ssh_error,
    host_of,
    make_control_folder,
    shell_command_line,
    ssh_arguments,
)
from fixer.model.host import CommandResult

WORDS = ["$HOME", "a b", "'\"", "new\nline", "%s\\n", "`id`", ";id", "*", "", "!!", "ü", "-n", "\\0101", "a\tb", "~", "#x"]


@pytest.mark.parametrize(("address", "words", "host"), [
    ("web1", ("--", "web1"), "web1"),
    ("root@web1:2222", ("-l", "root", "-p", "2222", "--", "web1"), "web1"),
    ("[fe80::1]:22", ("-p", "22", "--", "fe80::1"), "fe80::1"),
    ("a@[::1]", ("-l", "a", "--", "::1"), "::1"),
])
def test_an_address_as_words(address: str, words: tuple[str, ...], host: str) -> None:
    assert ssh_arguments(address) == words
    assert host_of(address) == host


def test_the_socket_of_a_connection_has_a_short_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("folder-" * 20)
    deep.mkdir()
    for temporary, expected in (("/var/tmp", "/var/tmp/"), (str(deep), "/tmp/"), ("/nowhere", "/tmp/")):
        monkeypatch.setenv("TMPDIR", temporary)
        found = make_control_folder()
        Path(found).rmdir()
        assert found.startswith(expected)
        assert len(f"{found}/s.1234567890123456") <= 103

    def full(**_: str) -> str:
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(CannotObserve, match="temporary folder"):
        make_control_folder()


@pytest.mark.parametrize("shell", ["sh", "bash", "busybox", "tcsh", "fish", "zsh"])
def test_every_login_shell_hands_the_words_on(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    login = [shell, "sh", "-c"] if shell == "busybox" else [shell, "-c"]
    line = shell_command_line(["printf", "<%s>", *WORDS], sudo=False)
    assert "\n" not in line
    done = subprocess.run([*login, line], capture_output=True, check=True)
    assert done.stdout.decode() == "".join(f"<{w}>" for w in WORDS)


def test_sudo_never_asks() -> None:
    assert shell_command_line(["id"], sudo=True).startswith("sudo -n -- sh -c ")


@pytest.mark.parametrize(("said", "message"), [
    (b"@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\r\n", "has changed"),
    (b"No ED25519 host key is known for web1 and you have requested strict checking.\r\nHost key verification failed.\r\n",
     "is unknown here"),
    (b"root@web1: Permission denied (publickey).\r\n", "refuses the login: root@web1: Permission denied"),
    (b"ssh: Could not resolve hostname web1: Name or service not known\r\n", "does not resolve"),
    (b"ssh: connect to host web1 port 22: Connection refused\r\n", "cannot be reached: ssh: connect to host"),
    (b"ssh: connect to host web1 port 22: Connection timed out\r\n", "cannot be reached: ssh: connect"),
    (b"something new\n", "cannot be reached: something new"),
    (b"", "no answer"),
])
def test_refusals(said: bytes, message: str) -> None:
    error = explain_ssh_error("root@web1", CommandResult(("ssh",), 255, b"", said))
    assert message in error.message
    assert error.hint
    assert error.exit_code == 3


def test_a_login_shell_that_runs_nothing_is_no_silence() -> None:
    """nologin says so on stdout, and is gone: nothing was late."""
    said = b"Welcome\r\nThis account is currently not available.\r\n"
    error = explain_ssh_error("web@web1", CommandResult(("ssh",), None, said, b""))
    assert error.message == "web@web1 accepts the login, then ends the session at once: This account is currently not available."
    assert "login shell" in error.hint


def test_one_that_never_answers_and_one_that_is_not_there() -> None:
    assert "in time" in explain_ssh_error("web1", CommandResult(("ssh",), None, b"", b"", timed_out=True)).message
    late = CommandResult(("ssh",), None, b"", b"ssh: Could not resolve hostname web1: Name or service not known", timed_out=True)
    assert "does not resolve" in explain_ssh_error("web1", late).message and "in time" not in explain_ssh_error("web1", late).message
    assert "not installed" in explain_ssh_error("web1", CommandResult(("ssh",), None, b"", b"", missing=True)).message


def test_a_sudo_that_never_stops_talking_is_cut_and_one_that_may_not_run_sh_lets_us_not_in(tmp_path: Path) -> None:
    """What it says is kept nowhere without bound; what is asked is what all work is done by, a shell."""
    for name, body in (("id", "echo 7"), ("sudo", "yes talk")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/home/x"}
    words = ["sh", "-c", _LOGIN_SCRIPT, "sh", "NONCE"]
    done = subprocess.run(words, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=True)
    assert done.stdout.decode().startswith("\nNONCE 7 1 /home/x/.local/state\ntalk\n") and len(done.stdout) < 5000
    (tmp_path / "sudo").write_text('#!/bin/sh\ncase "$*" in *sh*) echo "not allowed" >&2; exit 1 ;; esac\n')
    done = subprocess.run(words, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=True)
    assert done.stdout.decode().startswith("\nNONCE 7 1 /home/x/.local/state\nnot allowed")
    (tmp_path / "sudo").write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.2; done\n")
    hasty = ["sh", "-c", _LOGIN_SCRIPT.replace("15'", "0.2'").replace("-k 2", "-k 0.2"), "sh", "NONCE"]
    done = subprocess.run(hasty, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=True)
    assert b"\nno answer in 15 s\n" in done.stdout
    (tmp_path / "sudo").write_text("#!/bin/sh\n")
    done = subprocess.run(words, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=True)
    assert done.stdout.decode().startswith("\nNONCE 7 0 /home/x/.local/state\n\n")
