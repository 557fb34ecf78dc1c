"""Entry point of every start: the command and `python -m lab`."""

from __future__ import annotations

import signal
from typing import NoReturn

from lab.stdio import protect_streams


def main() -> NoReturn:
    """Run the command line and exit with its code. A Ctrl-C during the imports ends as one line too."""
    protect_streams()
    early: list[int] = []
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a background job ignores it: so does lab
    if heard:
        signal.signal(signal.SIGINT, lambda number, frame: early.append(number))
    from lab import cli

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if early:
        cli.exit_interrupted()
    cli.main()


if __name__ == "__main__":
    main()
