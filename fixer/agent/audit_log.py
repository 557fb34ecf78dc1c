"""The audit log: one JSON line before each call of a tool and one after it. Lines are only ever appended."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime

from fixer.app.ignore import user_name
from fixer.errors import NeedsPerson
from fixer.hosts.machine.state_root import private_root

AUDIT_FILE = "mcp-audit.jsonl"
_MODE = 0o600


class AuditLog:
    """An open audit log. Only its owner can read it."""

    def __init__(self, path: str = "") -> None:
        """Open or create the file; raise NeedsPerson if that fails, or if others could read or write it."""
        self.path = path or f"{_journal_root()}/{AUDIT_FILE}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._file = os.open(self.path, flags, _MODE)
        except OSError as error:
            raise NeedsPerson(f"the audit log {self.path} cannot be written: {error.strerror}",
                              "name another file: fixer mcp --audit FILE") from error
        info = os.fstat(self._file)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) & 0o077:
            os.close(self._file)
            raise NeedsPerson(f"the audit log {self.path} is not a file of this user alone",
                              f"chmod 600 {self.path}, or name another file: fixer mcp --audit FILE")

    def write(self, event: str, client: str, fields: Mapping[str, object]) -> None:
        """Append one record and wait until it is on the disk; raise NeedsPerson if that fails."""
        record = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, "user": user_name(),
                  "pid": os.getpid(), "client": client[:200], **fields}
        try:
            os.write(self._file, json.dumps(record).encode("ascii") + b"\n")
            os.fsync(self._file)
        except OSError as error:
            raise NeedsPerson(f"the audit log {self.path} cannot be written: {error.strerror}",
                              "nothing is done without it: free space, or name another file") from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _journal_root() -> str:
    root = private_root()
    try:
        os.makedirs(root, 0o700, exist_ok=True)  # noqa: PTH103
    except OSError as error:
        raise NeedsPerson(f"{root} cannot be created: {error.strerror}",
                          "name another file: fixer mcp --audit FILE") from error
    return root
