"""undo: `fixer undo` on a host; check mode says which run it would undo."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.badgateway.fixer.plugins.plugin_utils.fixer_action import FixerAction, Spec
from ansible_collections.badgateway.fixer.plugins.plugin_utils.results import (
    history_result,
    parse_report,
    undo_result,
)


class ActionModule(FixerAction):
    """Run `fixer undo --json` there, of one run or of the last one that changed something."""

    spec: ClassVar[Spec] = {"id": {"type": "str"}}

    def work(self) -> dict[str, Any]:
        """Return the result of the task."""
        target = [] if self.options["target"] == "local" else [self.options["target"]]
        if self._task.check_mode:
            text, code, said = self.run_fixer(["history", *target, "--json"])
            return history_result(parse_report(text, code, said), code, "fixer", self.options["id"])
        words = ["undo", *target, "--json", *(["--id", self.options["id"]] if self.options["id"] else [])]
        text, code, said = self.run_fixer(words)
        return undo_result(parse_report(text, code, said), code, "fixer")
