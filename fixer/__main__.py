"""Entry point of every start: the command, `python -m fixer` and the one-file build."""

from __future__ import annotations

import signal
import sys

from fixer.stdio import protect_streams


def main() -> int:
    """Run the command line. A Ctrl-C during the imports waits for them and ends as one line, like any other."""
    protect_streams()
    early: list[int] = []
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a background job ignores it: so does fixer
    if heard:
        signal.signal(signal.SIGINT, lambda number, frame: early.append(number))
    from fixer import start  # first: it sets the collector's threshold before large imports

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return start.main(instead=_raise_interrupt if early else None)


def _raise_interrupt() -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
