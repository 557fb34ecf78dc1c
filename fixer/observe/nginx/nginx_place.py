"""One nginx of a node: what runs, or what would be started, and which file it reads."""

from __future__ import annotations

import posixpath

from fixer.lazy.dataclass import dataclass
from fixer.model.snapshot import Process


@dataclass(frozen=True, slots=True)
class NginxPlace:
    """One nginx of a node: the running master with its live workers, or where it would start from."""

    binary: str
    conf: str
    prefix: str
    explicit: bool
    master: Process | None
    workers: tuple[Process, ...]
    log_option: str = ""
    is_told: bool = False       # by -c which file to read: what it was built to read does not count

    @property
    def root(self) -> str:
        """What relative includes are relative to: the folder of the main file."""
        return posixpath.dirname(self.conf)
