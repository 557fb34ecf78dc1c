"""The audit log: appended to, for its owner alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fixer.agent.audit_log import AUDIT_FILE, AuditLog
from fixer.errors import NeedsPerson


def test_lines_are_appended_to_a_private_file_beside_the_journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    for number in range(2):
        log = AuditLog()
        log.write("begin", "a client", {"number": number, "text": "é\n"})
        log.close()
    file = tmp_path / "state" / AUDIT_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    records = [json.loads(line) for line in file.read_text("ascii").splitlines()]
    assert [record["number"] for record in records] == [0, 1] and records[0]["text"] == "é\n"
    assert records[0]["pid"] == os.getpid() and records[0]["client"] == "a client"


@pytest.mark.parametrize("kind", ["link", "readable", "folder", "fifo", "no folder"])
def test_a_file_that_others_could_read_or_choose_is_refused(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    if kind == "link":
        file.symlink_to(tmp_path / "elsewhere")
    elif kind == "readable":
        file.touch(0o644)
    elif kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file, 0o600)
    else:
        file = tmp_path / "nowhere" / "audit.jsonl"
    with pytest.raises(NeedsPerson, match=r"the audit log .*audit\.jsonl"):
        AuditLog(str(file))
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_is_said() -> None:
    log = AuditLog.__new__(AuditLog)
    log.path, log._file = "/dev/full", os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(NeedsPerson, match="No space left"):
        log.write("begin", "", {})
    log.close()
