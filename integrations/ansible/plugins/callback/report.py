"""Callback: one JSON line for each report of a host, and the report of the fleet at the end of the play."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.badgateway.fixer.plugins.plugin_utils.reasons import reason_of
from ansible_collections.badgateway.fixer.plugins.plugin_utils.results import error_report

DOCUMENTATION = r"""
name: report
type: aggregate
short_description: The reports of all hosts as JSON lines, and grouped by cause at the end
version_added: 0.1.0
author: badgateway contributors (@badgateway)
description:
  - Writes one line for each result of M(badgateway.fixer.diagnose) and M(badgateway.fixer.repair), the object that
    C(fixer diagnose --json) prints and the host's name. A host that could not be looked at has a line, too.
  - At the end it prints what C(fixer fleet report FILE) prints.
requirements:
  - Enable it with C(ANSIBLE_CALLBACKS_ENABLED=badgateway.fixer.report), or with C(callbacks_enabled) in C(ansible.cfg).
options:
  report_file:
    description: The file of JSON lines. A file of an earlier play is replaced.
    type: path
    default: badgateway-fleet.jsonl
    env:
      - name: BADGATEWAY_FLEET_FILE
    ini:
      - section: callback_badgateway_report
        key: report_file
  show:
    description: Whether to print the report of the fleet at the end.
    type: bool
    default: true
    env:
      - name: BADGATEWAY_FLEET_SHOW
    ini:
      - section: callback_badgateway_report
        key: show
"""

ACTIONS = frozenset({"badgateway.fixer.diagnose", "badgateway.fixer.repair"})
OWN_FIXER = Path(__file__).resolve().parents[2] / "files" / "fixer.pyz"


class CallbackModule(CallbackBase):
    """The lines are written as the results come in: an interrupted play keeps those of its first hosts."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "badgateway.fixer.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file: IO[str] | None = None
        self._reported: set[str] = set()
        self._failures: dict[str, str] = {}

    def v2_runner_on_ok(self, result: Any) -> None:
        """Write the line of a host."""
        self._take(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Write the line of a host that could not be looked at; remember another task that ended it."""
        if not self._take(result) and not ignore_errors:
            self._failures[result.host.get_name()] = f"{result.task_name}: {result.result.get('msg', 'failed')}"

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Write the line of a host that does not answer, whichever task found it."""
        if not self._take(result):
            self._failures[result.host.get_name()] = str(result.result.get("msg", ""))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Write the lines of hosts that ended before fixer looked, then print the report of the fleet."""
        for host, said in self._failures.items():
            if host not in self._reported:
                self._write(host, error_report(reason_of(said, kind="unreachable")))
        if self._file is None:
            return
        self._file.close()
        name = self._file.name
        if self.get_option("show"):
            self._display.banner("FIXER FLEET REPORT")
            self._display.display(_fleet_report(name))
        self._display.display(f"JSON lines: {name}")

    def _take(self, result: Any) -> bool:
        """Write the reports of a result, of each item if it is a loop. Return whether there was one."""
        if (result.task.resolved_action or result.task.action) not in ACTIONS:
            return False
        reports = [item.get("report") for item in (result.result, *(result.result.get("results") or ()))]
        found = [report for report in reports if isinstance(report, dict)]
        for report in found:
            self._write(result.host.get_name(), report)
        return bool(found)

    def _write(self, host: str, report: dict[str, Any]) -> None:
        if self._file is None:
            self._file = open(self.get_option("report_file"), "w", encoding="utf-8")  # noqa: SIM115, PTH123
        self._file.write(json.dumps({"host": host, **report}) + "\n")
        self._file.flush()
        self._reported.add(host)


def _fleet_report(name: str) -> str:
    """Return what `fixer fleet report` prints of the file, or why it does not."""
    words = [sys.executable, "-I", str(OWN_FIXER), "fleet", "report", name]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"fixer did not run on the controller: {error}"
    return (done.stdout or done.stderr).rstrip()
