"""One case in a process of its own: `python -m lab.matrix.job` reads it from stdin and tells its steps as JSON lines.

It ends when its stdin ends, whoever held it: nothing is left behind by a matrix that was killed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

from lab.matrix.result_files import case_from_json, result_to_json
from lab.trial.trial import try_case
from lab.verbs.down import lab_down


def main() -> int:
    """Run the case that stdin names; 0 once its result is told, whatever it is."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt_once)
    order = json.loads(sys.stdin.readline())
    folder, state = Path(order["folder"]), Path(order["state"])
    os.environ["BADGATEWAY_LAB_STATE"] = str(state)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        result = try_case(case_from_json(order["case"]), folder, lambda step: _send_event({"step": step}),
                          restarts=order.get("restarts", True))
        _send_event({"result": result_to_json(result)})
    except KeyboardInterrupt:
        return 130
    finally:
        remove_labs(state)
    return 0


def remove_labs(state: Path) -> None:
    """Take away whatever lab a case left: its records are found in its own state, all else by the label."""
    for path in (state / "records").glob("*.json"):
        lab_down(path.stem, cut_off=True)
    shutil.rmtree(state, ignore_errors=True)


def _send_event(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _interrupt_once(number: int, frame: FrameType | None) -> NoReturn:
    """The first request to end interrupts; what is being cleaned up then is not interrupted again."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """Whoever started this has gone when stdin ends."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
