"""What all repairs share that put an older state back: the word that chooses it, the order, what no display shows."""

from __future__ import annotations

from collections.abc import Callable

from fixer.model.snapshot import FileContent

ID = "restore-backup"
BACKUP_KEY = "restore-from"


def order_of(copy: FileContent) -> tuple[float, str]:
    """The newest first."""
    return -copy.stat.mtime, copy.path


def hidden_lines(data: bytes, redact: Callable[[bytes], bytes]) -> tuple[bytes, ...]:
    """The lines of which a part is hidden when such a file is shown: wherever these bytes are shown, all of them is."""
    lines, masked = data.split(b"\n"), redact(data).split(b"\n")
    if len(lines) != len(masked):
        return (data,)
    return tuple(dict.fromkeys(line.strip() for line, shown in zip(lines, masked, strict=True) if line != shown))
