"""`python -m tests.wild DIR`: fixer's reader on every file of a folder that looks like an nginx configuration.

Each is read alone. Printed is what raises, what takes over 20 seconds, and where fixer finds other routes than a second
reader; exit code 1 if there is any. Files that nginx would refuse are only read."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.wild.compare import Tally, check_file

SECONDS = 20
ENDINGS = frozenset({".conf", ".vhost", ".nginx", ".inc", ".txt", ""})


class Hang(Exception):
    """A file took too long."""


def ring(number: int, frame: object) -> None:
    raise Hang


def main(argv: list[str]) -> int:
    """Check the folder; return 1 if anything was wrong."""
    if len(argv) != 1 or not Path(argv[0]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGALRM, ring)
    tally = Tally()
    for path in sorted(Path(argv[0]).rglob("*")):
        if path.suffix.lower() not in ENDINGS or not path.is_file():
            continue
        signal.alarm(SECONDS)
        try:
            wrong = check_file(path.read_bytes(), tally)
        except Hang:
            wrong = [f"took over {SECONDS} seconds"]
        except Exception as error:  # noqa: BLE001  whatever it is, it is what is looked for
            wrong = [f"{type(error).__name__}: {error}"]
        finally:
            signal.alarm(0)
        tally.wrong += bool(wrong)
        for line in wrong:
            print(f"{path}: {line}")
    print(f"{tally.files} files, {tally.routes} routes, {tally.torn} files that nginx would refuse; {tally.wrong} wrong")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
