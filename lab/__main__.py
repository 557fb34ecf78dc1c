"""Entry point of every start: the command and `python -m lab`."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec
from typing import NoReturn

from fixer import __version__
from fixer.stdio import protect_streams
from lab.errors import LabError

EXTRA_PACKAGES = ("docker", "httpx", "jsonschema")     # what the extra `lab` of pyproject.toml installs


def main() -> NoReturn:
    """Run the command line and exit with its code. A Ctrl-C during the imports ends as one line too."""
    protect_streams(LabError)
    missing = [name for name in EXTRA_PACKAGES if find_spec(name) is None]
    if missing:
        wheel = f"./badgateway-{__version__}-py3-none-any.whl"
        sys.stderr.write(f"lab: {', '.join(missing)} not installed: the wheel was installed without its extra 'lab'\n"
                         f"  in a virtual environment: pip install '{wheel}[lab]'\n")
        sys.exit(3)
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
