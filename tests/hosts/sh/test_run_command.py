"""A command behind a shell of another place has the words and the tools that one of this machine has."""

import subprocess

from fixer.hosts.sh.run_command import RUN_SCRIPT, unwrap_result

NONCE = "ab" * 16


def test_tools_of_the_system_and_plain_words_whoever_logged_in() -> None:
    words = ("sh", "-c", 'echo "$PATH $LC_ALL"')
    done = subprocess.run(["sh", "-c", RUN_SCRIPT, "sh", NONCE, *words], capture_output=True, check=False,
                          env={"PATH": "/opt/own:/usr/bin:/bin", "LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"})
    assert done.returncode == 0, done.stderr
    path, locale = done.stdout.decode().splitlines()[1].split()
    assert path.split(":")[0] == "/opt/own" and {"/usr/sbin", "/sbin"} <= set(path.split(":")) and locale == "C"


def test_what_is_not_there_is_missing() -> None:
    from fixer.hosts.machine import run_process

    result = run_process.run(("sh", "-c", RUN_SCRIPT, "sh", NONCE, "no-such-program"))
    assert unwrap_result("x", NONCE.encode(), result, argv=("no-such-program",), kill=lambda pid: None).missing
