"""repair: `fixer repair --yes` on a host, with its plan, its proof and its journal; check mode shows the plan."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.module_utils.common.parameters import remove_values
from ansible_collections.badgateway.fixer.plugins.plugin_utils.fixer_action import (
    LOOK_SPEC,
    CannotLook,
    FixerAction,
    Spec,
)
from ansible_collections.badgateway.fixer.plugins.plugin_utils.reasons import Reason
from ansible_collections.badgateway.fixer.plugins.plugin_utils.results import parse_report, plan_diff, repair_result

_SHORTEST_SECRET = 4  # shorter values would hide half of a report


class ActionModule(FixerAction):
    """Run `fixer repair --yes --json` there. Inputs go through standard input: no argument list shows them."""

    spec: ClassVar[Spec] = {
        **LOOK_SPEC, "max_risk": {"type": "str", "choices": ["safe", "disruptive"], "default": "safe"},
        "only": {"type": "str"}, "inputs": {"type": "dict", "no_log": True},
    }

    def work(self) -> dict[str, Any]:
        """Return the result of the task."""
        inputs = {str(key): str(value) for key, value in (self.options["inputs"] or {}).items()}
        words = ["repair", *self.look_words(), "--yes", "--max-risk", self.options["max_risk"], "--json"]
        words += ["--only", self.options["only"]] if self.options["only"] else []
        words += ["--dry-run"] if self._task.check_mode else []
        words += ["--set-from", "-"] if inputs else []
        text, code, said = self.run_fixer(words, self._lines(inputs))
        report, check = parse_report(text, code, said), bool(self._task.check_mode)
        result = repair_result(report, code, "fixer", check=check)
        if self._task.diff and (diff := plan_diff(report, check=check)):
            result["diff"] = diff
        secrets = {value for value in inputs.values() if len(value) >= _SHORTEST_SECRET}
        return dict(remove_values(result, secrets)) if secrets else result

    @staticmethod
    def _lines(inputs: dict[str, str]) -> bytes:
        for key, value in inputs.items():
            if any(char in f"{key}{value}" for char in "\0\r\n") or "=" in key:
                raise CannotLook(Reason("usage", f"inputs: {key!r} is no key, or its value has more than one line",
                                        "an input is one line"))
        return "".join(f"{key}={value}\n" for key, value in inputs.items()).encode() or b"\n"
