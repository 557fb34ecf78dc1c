"""The whole command line on a real broken machine: plan, question, change, proof, way back, bundle, interrupt."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from fixer.render.json_schema import command_schemas
from lab.pytest_plugin import StartLab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
FIXER = [sys.executable, "-m", "fixer"]


def fixer(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FIXER, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **more},
    )


def printed(name: str, done: subprocess.CompletedProcess[str]) -> dict:  # type: ignore[type-arg]
    value = json.loads(done.stdout)
    Draft202012Validator(command_schemas()[name]).validate(value)
    return value


@pytest.fixture(scope="module")
def machine(module_badgateway_lab: StartLab) -> str:
    """A machine whose nginx asks a port where nothing listens."""
    return module_badgateway_lab("wrong-port", stack="host", seed=41).target


def site_files(machine: str) -> str:
    """Every file below /etc/nginx with its digest, mode and owner."""
    name = machine.removeprefix("docker://")
    script = "cd /etc/nginx && find . -type f -exec sha256sum {} + -exec stat -c '%n %a %u %g' {} + | sort"
    return subprocess.run(["docker", "exec", name, "sh", "-c", script], capture_output=True, text=True, check=True).stdout


class Desk:
    """fixer at a pseudo-terminal."""

    def __init__(self, *words: str) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [*FIXER, *words])
        self.seen = ""

    def until(self, text: str, seconds: float = 60.0, *, after: str = "") -> None:
        """Read until the text is there, in a line behind `after`."""
        deadline = time.monotonic() + seconds
        while not any(text in line.partition(after)[2] if after else text in line for line in self.seen.splitlines()):
            ready = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"never said {text!r}: {self.seen}"
            assert self._read(), f"ended without {text!r}: {self.seen}"

    def _read(self) -> bool:
        try:
            data = os.read(self.master, 4096)
        except OSError:
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


def test_diagnose_names_the_cause_and_changes_nothing(machine: str) -> None:
    before = site_files(machine)
    done = fixer("diagnose", machine, "--json")
    assert done.returncode == 1 and done.stderr == ""
    assert printed("diagnose", done)["findings"][0]["cause"] == "wrong-port"
    for form, start in (("markdown", "# `docker://"), ("html", "<!doctype html>"), ("console", "FAIL ")):
        assert fixer("diagnose", machine, "--format", form).stdout.startswith(start)
    assert site_files(machine) == before


def test_verify_fails_while_it_is_broken(machine: str) -> None:
    done = fixer("verify", machine, "--json")
    assert done.returncode == 1
    proof = printed("verify", done)["proof"]
    assert {p["check"]: p["state"] for p in proof if p["check"] in ("nginx-test", "nginx-up")} == {
        "nginx-test": "passed", "nginx-up": "passed",
    }
    assert "failed" in {p["state"] for p in proof if p["check"] == "route-answers"}


@pytest.mark.parametrize(("words", "said"), [
    (["--dry-run"], "dry run"), ([], "standard input is not a terminal"), (["--dry-run", "--yes"], "dry run"),
])
def test_without_a_yes_nothing_changes(machine: str, words: list[str], said: str) -> None:
    before = site_files(machine)
    done = fixer("repair", machine, *words, "--json")
    value = printed("repair", done)
    assert done.returncode == 4
    assert (value["outcome"], value["applied"], value["journal"]) == ("needs-input", [], None)
    assert any(said in note for note in value["notes"])
    assert any("--yes" in text for text in value["withheld"])
    assert "Plan: " in done.stderr and "\n    +" in done.stderr
    assert site_files(machine) == before


@pytest.mark.parametrize(("words", "said"), [
    (["--set", "NOBODY_ASKS=hunter2"], "NOBODY_ASKS"), (["--only", "no-such-repair"], "no-such-repair"),
])
def test_words_that_nothing_asks_for_are_wrong_usage(machine: str, words: list[str], said: str) -> None:
    done = fixer("repair", machine, "--yes", *words, "--json")
    assert done.returncode == 2
    assert said in printed("repair", done)["error"]["message"]
    assert "hunter2" not in done.stdout + done.stderr


def in_machine(machine: str, *argv: str, stdin: str = "") -> str:
    argv = ("docker", "exec", "-i", machine.removeprefix("docker://"), *argv)
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("text", "note_text", "said"), [
    ('services = ["!*"]\n', "without an operator", "with --yes"),
    ("max_risk = 3\n", "max_risk must be safe or disruptive", "max_risk must be safe or disruptive"),
])
def test_the_policy_of_the_machine_binds(machine: str, text: str, note_text: str, said: str) -> None:
    before = site_files(machine)
    in_machine(machine, "mkdir", "-p", "/etc/badgateway")
    in_machine(machine, "tee", "/etc/badgateway/policy.toml", stdin=text)
    try:
        assert any(note_text in note for note in printed("diagnose", fixer("diagnose", machine, "--json"))["notes"])
        done = fixer("repair", machine, "--yes", "--json")
        assert done.returncode == 4 and said in done.stdout and "policy.toml" in done.stdout
        assert site_files(machine) == before
    finally:
        in_machine(machine, "rm", "-r", "/etc/badgateway")


def test_an_accepted_finding_is_left_alone(machine: str) -> None:
    before = site_files(machine)
    made = fixer("ignore", "wrong-port", machine, "--because", "moves on Friday", "--until", time.strftime("%Y-%m-%d"), "--json")
    assert made.returncode == 0
    try:
        value = printed("diagnose", fixer("diagnose", machine, "--json"))
        assert value["verdict"] in ("healthy", "degraded") and value["findings"][0]["role"] == "advice"
        assert any("moves on Friday" in note for note in value["notes"])
        assert printed("repair", fixer("repair", machine, "--yes", "--json"))["applied"] == []
        assert site_files(machine) == before
    finally:
        fixer("ignore", machine, "--forget", json.loads(made.stdout)["accepted"][0]["id"])


def test_a_no_at_the_terminal_changes_nothing(machine: str) -> None:
    before = site_files(machine)
    desk = Desk("repair", machine)
    desk.until("Make this change? [y/N] ")
    desk.type("\n")
    assert desk.end() == 4
    assert "declined: nothing was changed" in desk.seen
    assert site_files(machine) == before


@contextmanager
def settling(machine: str, *words: str) -> Iterator[Desk]:
    """A repair that has reloaded nginx and waits for its proof: the application sleeps from the question on."""
    desk = Desk("repair", machine, *words)
    desk.until("Make this change? [y/N] ")
    in_machine(machine, "pkill", "-STOP", "-f", "uvicorn")
    try:
        desk.type("y\n")
        desk.until("reload nginx", after="✔")
        yield desk
    finally:
        in_machine(machine, "pkill", "-CONT", "-f", "uvicorn")


def test_an_interrupt_while_it_settles_takes_the_round_back(machine: str) -> None:
    before = site_files(machine)
    with settling(machine, "--json") as desk:
        os.kill(desk.pid, signal.SIGINT)
        assert desk.end() == 130
    printed_json, _ = json.JSONDecoder().raw_decode(desk.seen, desk.seen.rindex("\n{") + 1)
    assert printed_json["error"]["kind"] == "interrupted"
    assert "fixer: interrupted" in desk.seen
    assert site_files(machine) == before
    assert fixer("diagnose", machine).returncode == 1


def test_a_killed_repair_is_told_and_taken_back(machine: str) -> None:
    before = site_files(machine)
    with settling(machine) as desk:
        os.kill(desk.pid, signal.SIGKILL)
        assert desk.end() == -signal.SIGKILL
    told = printed("diagnose", fixer("diagnose", machine, "--json"))["notes"]
    assert any("was interrupted. Roll it back" in note for note in told)
    assert site_files(machine) != before
    refused = fixer("repair", machine, "--json")
    assert refused.returncode == 4 and "--yes" in printed("repair", refused)["error"]["hint"]
    undone = fixer("undo", machine, "--json")
    assert undone.returncode == 0 and printed("undo", undone)["conflicts"] == []
    assert site_files(machine) == before
    assert not printed("diagnose", fixer("diagnose", machine, "--json"))["notes"]


def test_a_bundle_tells_the_same(machine: str, tmp_path: Path) -> None:
    bundle = tmp_path / "incident.tgz"
    done = fixer("collect", machine, "-o", str(bundle))
    assert done.returncode == 0 and "secrets redacted" in done.stdout
    assert bundle.stat().st_mode & 0o777 == 0o600
    live, replayed = fixer("diagnose", machine, "--json"), fixer("diagnose", f"bundle:{bundle}", "--json")
    assert replayed.returncode == 1
    one, two = printed("diagnose", live), printed("diagnose", replayed)
    assert [f["cause"] for f in one["findings"]] == [f["cause"] for f in two["findings"]]
    again = fixer("collect", machine, "-o", str(bundle))
    assert again.returncode == 2 and "exists already" in again.stderr
    assert fixer("repair", f"bundle:{bundle}", "--yes").returncode == 4


def test_a_yes_at_the_terminal_repairs_and_undo_takes_it_back(machine: str) -> None:
    before = site_files(machine)
    desk = Desk("repair", machine)
    desk.until("Make this change? [y/N] ")
    desk.type("y\n")
    assert desk.end() == 0, desk.seen
    assert "Repaired" in desk.seen
    assert fixer("verify", machine).returncode == 0
    again = fixer("repair", machine, "--yes", "--json")
    assert again.returncode == 0 and printed("repair", again)["outcome"] == "nothing-to-do"
    runs = printed("history", fixer("history", machine, "--json"))["runs"]
    assert runs[0]["state"] == "committed" and runs[0]["cause"] == "wrong-port"
    undone = fixer("undo", machine, "--json")
    assert undone.returncode == 0 and printed("undo", undone)["conflicts"] == []
    assert site_files(machine) == before
    assert fixer("diagnose", machine).returncode == 1


def test_a_hand_edit_is_kept_by_undo(machine: str) -> None:
    assert fixer("repair", machine, "--yes").returncode == 0
    run = printed("history", fixer("history", machine, "--json"))["runs"][0]
    path = next(step.removeprefix("edit ") for step in run["steps"] if step.startswith("edit "))
    name = machine.removeprefix("docker://")
    subprocess.run(["docker", "exec", name, "sh", "-c", f"echo '# mine' >> {path}"], check=True)
    undone = fixer("undo", machine, "--json")
    assert undone.returncode == 1
    assert any(path in conflict for conflict in printed("undo", undone)["conflicts"])
    assert "# mine" in subprocess.run(["docker", "exec", name, "cat", path], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("words", "code"), [
    (["diagnose", "docker://no-such-container"], 3), (["verify", "compose://no-such-project"], 3),
    (["undo", "docker://no-such-container"], 3), (["history", "bundle:/nowhere.tgz"], 3),
])
def test_a_target_that_is_not_there(words: list[str], code: int) -> None:
    done = fixer(*words, "--json")
    assert done.returncode == code
    assert json.loads(done.stdout)["verdict"] == "unknown"
    assert done.stderr.startswith("fixer: ") and done.stderr.count("\n") <= 2
