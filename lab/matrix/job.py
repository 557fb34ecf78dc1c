"""One case in a separate process: `python -m lab.matrix.job` reads it from stdin and reports steps as JSON lines.

It ends when its stdin ends: a killed matrix leaves nothing running."""

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
    """Run the case from stdin; return 0 once its result is reported, good or bad."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt_once)
    order = json.loads(sys.stdin.readline())
    folder, state = Path(order["folder"]), Path(order["state"])
    os.environ["BADGATEWAY_LAB_STATE"] = str(state)
    threading.Thread(target=end_with_parent, daemon=True).start()
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
    """Remove every lab that a case left: its state folder holds the records, labels identify the rest."""
    for path in (state / "records").glob("*.json"):
        lab_down(path.stem, cut_off=True)
    shutil.rmtree(state, ignore_errors=True)


def _send_event(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def interrupt_once(number: int, frame: FrameType | None) -> NoReturn:
    """Interrupt on the first signal only, so that the cleanup is not interrupted again."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def end_with_parent() -> None:
    """Interrupt this process when stdin ends: the parent process has ended."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
