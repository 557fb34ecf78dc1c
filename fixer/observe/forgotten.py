"""What systemd no longer says of a unit, and its journal still does: how its last run ended, how often it was started.

`systemctl reset-failed` clears both, and a unit that is not enabled is unloaded once it has no failure left to show.
Only systemd's own lines count, of this boot: what a program prints is not its manager's word.
"""

from __future__ import annotations

from fixer.model.facts import Known
from fixer.model.query import Answer
from fixer.model.record import replace
from fixer.model.regex import regex
from fixer.model.snapshot import Unit
from fixer.observe.view import View

_LINE = regex(r"^(\d{9,11}\.\d+) \S+ systemd\[1\]: (.*)$")
_FAILED = regex(r": Failed with result '([a-z-]+)'\.$")
_EXITED = regex(r": Main process exited, code=(exited|killed|dumped), status=(\d+)/")
_SCHEDULED = regex(r": Scheduled restart job, restart counter is at (\d+)\.$")
_TURN = regex(r"^(?:Started|Starting|Stopping|Stopped) |: Deactivated successfully\.$")
_STARTED = regex(r"^Started ")
_CODES = {"exited": 1, "killed": 2, "dumped": 3}
_NEAR = 5.0       # seconds between what the journal calls a start and what systemd does


def recalled(unit: Unit, answer: Answer | None, view: View) -> Unit:
    """The unit, with what its journal knows better."""
    loaded = unit.load_state == "loaded" and isinstance(view.table.boot_at, Known)
    rests = unit.active_state == "inactive" and unit.result in ("", "success")
    runs = unit.active_state == "active" and unit.n_restarts == 0
    if not loaded or not (rests or runs) or answer is None or answer.status != "ok":
        return unit
    said = _said(answer.data, view.table.boot_at.value if isinstance(view.table.boot_at, Known) else 0.0)
    return _last_end(unit, said) if rests else _restarts(unit, said)


def _said(data: bytes, since: float) -> list[tuple[float, str]]:
    matches = (_LINE.match(line) for line in data.decode("utf-8", "replace").split("\n"))
    return [(float(match[1]), match[2]) for match in matches if match is not None and float(match[1]) >= since]


def _last_end(unit: Unit, said: list[tuple[float, str]]) -> Unit:
    """It rests, and the last that was said of it is a failure: nobody has started or stopped it since."""
    for at in range(len(said) - 1, -1, -1):
        text = said[at][1]
        failed = _FAILED.search(text)
        if failed is not None:
            ended = next((m for _, line in reversed(said[:at]) if (m := _EXITED.search(line))), None)
            code, status = (_CODES[ended[1]], int(ended[2])) if ended is not None else (0, 0)
            return replace(unit, result=failed[1], exec_main_code=code, exec_main_status=status, recalled=True)
        if _TURN.search(text):
            return unit
    return unit


def _restarts(unit: Unit, said: list[tuple[float, str]]) -> Unit:
    """It runs, and systemd itself has started it after a failure; then somebody reset the count."""
    for at in range(len(said) - 1, 0, -1):
        moment, text = said[at]
        if _STARTED.search(text):
            counted = _SCHEDULED.search(said[at - 1][1])
            near = abs(moment - unit.active_enter) < _NEAR
            return replace(unit, n_restarts=int(counted[1]), recalled=True) if counted is not None and near else unit
    return unit
