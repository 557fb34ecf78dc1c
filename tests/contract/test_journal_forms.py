"""A real systemd's journal, in JSON and in text: both give the same events, and an old journalctl is asked for text."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator

import pytest

from fixer.formats.journal_entries import JournalEntry, parse_entries
from fixer.formats.unit_events import event_in
from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.machine.query_commands import JOURNAL_AS_TEXT
from fixer.hosts.nodes.container_node import ContainerAsker
from fixer.model.query import Command
from fixer.redaction.all_files import redact_journal
from lab.stack import images
from tests.contract.sshd_machines import LABEL, SYSTEMD_OPTIONS, docker

pytestmark = pytest.mark.docker
RESTART = "Restart=on-failure\nRestartSec=100ms\n"
# Units, and what systemd must say of each.
UNITS = {
    "loop": (f"{RESTART}ExecStart=/bin/sh -c 'echo Started 4 workers; exit 3'", {"started", "main-exited", "failed", "restart-scheduled", "start-limit", "start-failed"}),
    "killed": ("ExecStart=/bin/sh -c 'echo Stopping for now; kill -9 $$$$'", {"started", "main-exited", "failed"}),
    "unfound": ("ExecStart=/srv/nothing/here", {"main-exited", "failed"}),
    "folder": ("WorkingDirectory=/srv/nothing\nExecStart=/bin/true", {"main-exited", "failed"}),
    "pre": ("ExecStartPre=/bin/sh -c 'exit 4'\nExecStart=/bin/sleep 99", {"control-exited", "failed", "start-failed"}),
    "forking": ("Type=forking\nExecStart=/bin/sh -c 'exit 5'", {"control-exited", "failed", "start-failed"}),
    "late": ("Type=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 99", {"start-timeout", "failed", "start-failed"}),
    "clean": ("ExecStart=/bin/true", {"started", "succeeded"}),
    "needy": ("ExecStart=/bin/sleep 99\n[Unit]\nRequires=pre.service\nAfter=pre.service", {"dependency-failed"}),
    "skipped": ("ExecStart=/bin/sleep 99\n[Unit]\nConditionPathExists=/srv/nothing", {"condition-unmet"}),
    "octets": ("ExecStart=/usr/bin/printf 'caf\\351 \\033[31mred\\033[0m\\n'", {"started", "succeeded"}),
}


class Machine:
    """One machine with systemd."""

    def __init__(self, name: str) -> None:
        self.name = name
        docker("run", "-d", "--label", LABEL, "--name", self.name, *SYSTEMD_OPTIONS, images.ensure(lambda line: None)["machine"])
        self.sh("until systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; do sleep 0.2; done")
        item = docker_cli.inspect_one(self.name)
        assert item is not None
        self.asker = ContainerAsker("local", item)

    def sh(self, script: str) -> str:
        """Run a script in it as root."""
        return docker("exec", self.name, "bash", "-ec", script)

    def journal(self, unit: str) -> bytes:
        """What fixer's question answers."""
        query = Command("journal", (f"{unit}.service", "200"))
        answer = self.asker.ask([query])[query]
        assert answer.status == "ok", answer
        return answer.data

    def text(self, unit: str) -> bytes:
        """The same journal as text."""
        words = ["docker", "exec", self.name, "journalctl", "--quiet", "--no-pager", *JOURNAL_AS_TEXT, "-n", "200", "-u", f"{unit}.service"]
        return subprocess.run(words, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    name = f"badgateway-journal-{uuid.uuid4().hex[:8]}"
    try:
        made = Machine(name)
        for unit, (lines, _) in UNITS.items():
            made.sh(f"cat > /etc/systemd/system/{unit}.service <<'END'\n[Service]\n{lines}\nEND")
        made.sh("systemctl daemon-reload")
        for unit in UNITS:
            made.sh(f"systemctl start {unit} || true")
        made.sh("until systemctl is-failed loop && ! systemctl is-active octets; do sleep 0.2; done; journalctl --sync")
        yield made
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)


def of_manager(data: bytes) -> list[tuple[float | None, str, object]]:
    """What the manager says, with the time."""
    return [(one.at, one.text, one.event) for one in parse_entries(data) if one.event is not None and one.is_systemd]


def steps_of(data: bytes) -> list[object]:
    """The failed steps, which the child of systemd logs: where it ends too soon for journald, they are not found."""
    said = (event_in(one.text) if one.writer == "unknown" else one.event for one in parse_entries(data))
    return [event for event in said if event is not None and event.kind == "step-failed"]


def kinds_of(entries: tuple[JournalEntry, ...]) -> set[str]:
    return {one.event.kind for one in entries if one.event is not None}


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_gives_the_same_events_in_both_forms(machine: Machine, unit: str) -> None:
    data, text = machine.journal(unit), machine.text(unit)
    assert data.startswith(b"{") and not text.startswith(b"{")
    assert of_manager(data) == of_manager(text)
    assert steps_of(data) == steps_of(text)
    assert UNITS[unit][1] <= kinds_of(parse_entries(data))


def test_what_a_program_prints_is_its_own(machine: Machine) -> None:
    entries = parse_entries(machine.journal("loop"))
    said = [one for one in entries if one.text == "Started 4 workers"]
    assert said and {(one.writer, one.event) for one in said} == {("program", None)}
    assert any(one.text == "caf\ufffd red" for one in parse_entries(machine.journal("octets")))


@pytest.mark.parametrize("unit", UNITS)
def test_a_masked_journal_says_the_same(machine: Machine, unit: str) -> None:
    data = machine.journal(unit)
    assert of_manager(redact_journal(data)) == of_manager(data)


def test_a_journalctl_that_knows_no_fields_is_asked_for_text(machine: Machine) -> None:
    machine.sh("cat > /usr/local/bin/journalctl <<'END'\n#!/bin/sh\n"
               "case \"$*\" in *--output-fields*) echo \"journalctl: unrecognized option '--output-fields=MESSAGE'\" >&2; exit 1;; esac\n"
               "exec /usr/bin/journalctl \"$@\"\nEND\nchmod 755 /usr/local/bin/journalctl")
    try:
        assert machine.journal("loop") == machine.text("loop")
    finally:
        machine.sh("rm /usr/local/bin/journalctl")
