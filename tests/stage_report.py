"""A plugin for the stages of script/test: how many tests ended, and which failed, in files of BADGATEWAY_STAGE."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

INTERVAL = 0.5      # seconds between two writes


class StageReport:
    """What the controller of a run sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.total = self.done = 0
        self.failed: dict[str, None] = {}
        self._written = 0.0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.total = max(self.total, len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self.total = max(self.total, len(ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            name, _, group = report.nodeid.rpartition("@")      # xdist adds the group, here the test's file
            self.failed.setdefault(name if group == report.nodeid.partition("::")[0] else report.nodeid, None)
        if report.when == "teardown":
            self.done += 1
            if time.monotonic() - self._written > INTERVAL:
                self._written = time.monotonic()
                self.write("progress", f"{self.done} {self.total}\n")

    def pytest_sessionfinish(self) -> None:
        self.write("failed", "".join(f"{name}\n" for name in self.failed))

    def write(self, name: str, text: str) -> None:
        """Replace a file at once: its reader never sees half of it."""
        fresh = self.folder / f".{name}"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.folder / name)


def pytest_configure(config: pytest.Config) -> None:
    folder = os.environ.get("BADGATEWAY_STAGE")
    if folder and not hasattr(config, "workerinput"):
        config.pluginmanager.register(StageReport(Path(folder)))
