"""Where every start begins: the command, `python -m fixer` and the one-file build."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run the command line. A Ctrl-C during the imports waits for them and ends as one line, like any other."""
    early: list[int] = []
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler     # a background job ignores it: so do we
    if heard:
        signal.signal(signal.SIGINT, lambda number, frame: early.append(number))
    from fixer import boundary, cli

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return boundary.run(_interrupted, sys.argv[1:]) if early else cli.main()


def _interrupted() -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
