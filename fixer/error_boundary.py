"""The one error boundary: every end of a command becomes an exit code and one clear line, or one JSON object."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from fixer.errors import FixerError
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    import signal  # only for an interrupt
    import traceback  # only for a bug of fixer

    import typer  # a plain diagnose runs without it

    from fixer.model import report
    from fixer.render.outcome_text import failure_text
    from fixer.render.to_json import render

if TYPE_CHECKING:
    from types import FrameType

DEBUG_VARIABLE = "BADGATEWAY_DEBUG"
AGENT_OPTION = "--agent"
INTERRUPTED_CODE = 130
BUG_CODE = 3

_VALUE_OPTIONS = frozenset({
    "--format", "--url", "--wait", "--requests", "--max-risk", "--only", "--plan", "--set", "--set-from", "--id",
    "--forget", "-o", "--output", "--where", "--because", "--until", "--lang",
})
_NO_TARGET_COMMANDS = frozenset({"explain", "causes", "fleet"})


class _ClickError(Protocol):
    """What the parser's errors provide in addition to their message."""

    exit_code: int

    def format_message(self) -> str: ...


def run(command: Callable[[], object], argv: Sequence[str]) -> int:
    """Run a parsed command line. Only an exit code leaves this function. With `--agent` it is 0 once the object was
    printed, also that of an error: whoever runs tools for a program would take any other code for a broken tool."""
    try:
        code = _run(command, argv)
    except KeyboardInterrupt:  # a second one, in the moment before the first was reported
        code = fail(argv, INTERRUPTED_CODE, "interrupted", "interrupted")
    return 0 if AGENT_OPTION in argv and code != INTERRUPTED_CODE else code


def _run(command: Callable[[], object], argv: Sequence[str]) -> int:
    try:
        code = command()
    except FixerError as error:
        return fail(argv, error.exit_code, error.kind, error.message, error.hint)
    except KeyboardInterrupt:
        return fail(argv, INTERRUPTED_CODE, "interrupted", "interrupted")
    except Exception as error:  # noqa: BLE001 - the boundary: a bug of fixer ends as one line too
        return _report_exception(argv, error)
    if code == INTERRUPTED_CODE:  # the parser turns an interrupt into this code
        return fail(argv, INTERRUPTED_CODE, "interrupted", "interrupted")
    return code if isinstance(code, int) else 0


def emit(text: str) -> None:
    """Print the product of a command on stdout."""
    sys.stdout.write(text)
    sys.stdout.flush()


def fail(argv: Sequence[str], code: int, kind: str, message: str, hint: str = "") -> int:
    """Print one line and a hint on stderr; with --json or --agent also the object on stdout. Return `code`."""
    handlers = ignore_interrupts() if code == INTERRUPTED_CODE else {}
    try:
        return _print_failure(argv, code, kind, message, hint)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def ignore_interrupts() -> dict[int, Callable[[int, FrameType | None], object]]:
    """Ignore the signals that would raise here: another one would cut the line off with a traceback. Return the
    handlers that they had."""
    heard: dict[int, Callable[[int, FrameType | None], object]] = {
        number: handler for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if callable(handler := signal.getsignal(number))}
    for number in heard:
        signal.signal(number, signal.SIG_IGN)
    return heard


def _print_failure(argv: Sequence[str], code: int, kind: str, message: str, hint: str) -> int:
    if wants_json(argv):
        failure = report.ErrorReport(kind, message, hint)
        emit(render(report.Failure(report.SCHEMA_VERSION, target_argument(argv), "unknown", failure)))
    sys.stderr.write(failure_text(message, hint))
    return code


def wants_json(argv: Sequence[str]) -> bool:
    """Return whether this command line, even an invalid one, asks for JSON."""
    words = list(argv)
    is_named = any(option in words for option in ("--json", AGENT_OPTION, "--format=json"))
    return is_named or ("--format", "json") in pairwise(words)


def target_argument(argv: Sequence[str]) -> str:
    """Return the TARGET of a command line that may be invalid: its second argument that is no option."""
    words: list[str] = []
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word in _VALUE_OPTIONS:
            skip = True
        elif not word.startswith("-"):
            words.append(word)
    return words[1] if len(words) > 1 and words[0] not in _NO_TARGET_COMMANDS else "local"


def _report_exception(argv: Sequence[str], error: Exception) -> int:
    """Report an exception that is no FixerError: the parser's own, or a bug."""
    if "typer" not in sys.modules:  # a plain diagnose runs without the parser
        return _report_bug(argv, error)
    if isinstance(error, typer.Abort):
        return fail(argv, INTERRUPTED_CODE, "interrupted", "interrupted")
    # this version of typer may keep the class elsewhere
    said = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
    return _report_parser_error(argv, error) if isinstance(error, said) else _report_bug(argv, error)


def _report_parser_error(argv: Sequence[str], error: Exception) -> int:
    parsed: _ClickError = error  # type: ignore[assignment]   # a ClickException has both, in every version
    context = getattr(error, "ctx", None)
    # an option without its argument comes without a context
    path = getattr(context, "command_path", "") or " ".join(("fixer", *(w for w in argv[:1] if not w.startswith("-"))))
    message = " ".join(parsed.format_message().split())
    return fail(argv, parsed.exit_code, "usage", message, f"see: {path} --help")


def _report_bug(argv: Sequence[str], error: Exception) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error, file=sys.stderr)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    said = " ".join(str(error).split())[:200]
    message = f"a bug in fixer: {type(error).__name__}{f': {said}' if said else ''}{place}"
    return fail(argv, BUG_CODE, "bug", message, f"fixer stopped here; {DEBUG_VARIABLE}=1 shows the traceback")
