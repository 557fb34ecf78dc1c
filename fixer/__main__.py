"""Entry point of every start: the command, `python -m fixer` and the one-file build."""

# No import here but of built-in modules: until the search path is cleaned, any name may be somebody's file.
import sys


def main() -> int:
    """Run the command line. A Ctrl-C during the imports waits for them and ends as one line, like any other."""
    _isolate()
    import signal

    from fixer.stdio import protect_streams

    protect_streams()
    early: list[int] = []
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a background job ignores it: so does fixer
    if heard:
        signal.signal(signal.SIGINT, lambda number, frame: early.append(number))
    import fixer.start  # first: it prepares large imports

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return fixer.start.main(instead=_raise_interrupt if early else None)


def _isolate() -> None:
    import fixer
    from fixer.isolation import drop_foreign_paths

    drop_foreign_paths(fixer.__path__[0].rpartition("/")[0] or "/")


def _raise_interrupt() -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
