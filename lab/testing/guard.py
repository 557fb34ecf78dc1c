"""A process that outlives the tests: `python -m lab.testing.guard STATE` removes the labs of a state folder.

It waits until its stdin ends. The kernel closes that pipe however the tests end: a killed run leaves no lab."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.paths import state_label
from lab.stack.docker_command import state_folders_of_labs
from lab.stack.lab_records import record_ids
from lab.verbs.down import lab_down

STATE_VARIABLE = "BADGATEWAY_LAB_STATE"
SECONDS = 120.0     # for the removal of what an interrupted start left


@contextmanager
def guarded_state(state: Path) -> Iterator[None]:
    """Keep all labs in this state folder meanwhile, apart from the user's own; at the end none is left."""
    before = os.environ.get(STATE_VARIABLE)
    os.environ[STATE_VARIABLE] = str(state)
    guard = subprocess.Popen(
        [sys.executable, "-m", "lab.testing.guard", str(state)], stdin=subprocess.PIPE,
        cwd=Path(__file__).parents[2],     # the tests' own folder may hold another `lab`
        start_new_session=True,            # a Ctrl-C for the tests does not reach it
    )
    try:
        yield
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait(SECONDS)
        if before is None:
            os.environ.pop(STATE_VARIABLE, None)
        else:
            os.environ[STATE_VARIABLE] = before


def labs_of_this_state() -> tuple[str, ...]:
    """Return every lab of this state folder of which a record, a container, a network or a volume is left."""
    labelled = {lab_id for lab_id, state in state_folders_of_labs().items() if state == state_label()}
    return tuple(sorted({*labelled, *record_ids()}))


def remove_all() -> None:
    """Remove the labs of this state folder."""
    for lab_id in labs_of_this_state():
        lab_down(lab_id, cut_off=True)


def main() -> int:
    """Wait for the end of stdin, then remove what is left."""
    os.environ[STATE_VARIABLE] = sys.argv[1]
    while os.read(0, 4096):
        pass
    try:
        remove_all()
    except LabError as error:
        print(f"badgateway: {error.message}", file=sys.stderr)  # noqa: T201  the tests' own output has ended
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
