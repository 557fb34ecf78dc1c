"""diagnose: why nginx on a host answers 502; changes nothing there."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.badgateway.fixer.plugins.plugin_utils.fixer_action import (
    LOOK_SPEC,
    FixerAction,
    NoPython,
    Spec,
)
from ansible_collections.badgateway.fixer.plugins.plugin_utils.results import common_result, parse_report

COLLECTED_NOTE = "this host was judged from a collect script's bundle: url, wait, requests and probe do not apply"


class ActionModule(FixerAction):
    """Run `fixer diagnose --json` there; without Python 3.11 run the collect script, and judge its bundle here."""

    spec: ClassVar[Spec] = {
        **LOOK_SPEC, "requests": {"type": "int"}, "collect_without_python": {"type": "bool", "default": True},
    }

    def work(self) -> dict[str, Any]:
        """Return the result of the task."""
        words = ["diagnose", *self.look_words(), "--json"]
        words += ["--requests", str(self.options["requests"])] if self.options["requests"] else []
        via, notes = "fixer", []
        try:
            text, code, said = self.run_fixer(words)
        except NoPython:
            if not self.options["collect_without_python"] or self.options["target"] != "local":
                raise
            text, code, said = self.judge(self.collect_with_script())
            via = "collect-script"
            asked = [key for key in ("url", "wait", "requests") if self.options[key]]
            notes = [COLLECTED_NOTE] if asked or not self.options["probe"] else []
        result = common_result(parse_report(text, code, said), code, via)
        return {**result, "warnings": notes} if notes else result
