"""Start of every command line. A plain `diagnose` or `repair` skips the parser, whose import takes a fifth of a look.

Only what the parser would understand in one way is read here: one of them with a target and options without arguments.
The parser handles everything else, mistakes included."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence

gc.set_threshold(100_000)  # a short run makes many objects and hardly a cycle, starting with the next line

from fixer.lazy import quick_modules  # noqa: E402

quick_modules.install()

from fixer import error_boundary  # noqa: E402
from fixer.lazy.lazy_imports import lazy_imports  # noqa: E402

with lazy_imports():
    from fixer.cli import run_command_line
    from fixer.diagnose_command import run_diagnose
    from fixer.languages.choose_language import take_language
    from fixer.repair_command import run_plain_repair

COMPLETION_VARIABLE = "_FIXER_COMPLETE"  # the shell asks what could follow: the parser answers
_JSON_OPTIONS = frozenset({"--json", "--agent"})
_FLAG_OPTIONS: Mapping[str, frozenset[str]] = {
    "diagnose": frozenset({*_JSON_OPTIONS, "--verbose", "-v", "--no-probe"}),
    "repair": frozenset({*_JSON_OPTIONS, "--yes", "-y", "--dry-run", "--no-probe"}),
}


def main(argv: Sequence[str] | None = None, *, instead: Callable[[], object] | None = None) -> int:
    """Run one command line and return its exit code; `instead` replaces its work, within the same error boundary."""
    words = list(sys.argv[1:] if argv is None else argv)
    code = error_boundary.run(instead or (lambda: _run(words)), words)
    if argv is None:
        if code == error_boundary.INTERRUPTED_CODE:
            error_boundary.ignore_interrupts()  # Python would end with a traceback at another Ctrl-C
        gc.freeze()  # process exit frees everything: Python would first visit every object for 20 ms
    return code


def _run(words: list[str]) -> object:
    if any(word.startswith("--lang") for word in words):
        words = take_language(words)
    plain = plain_command(words)
    return plain() if plain else run_command_line(words)


def plain_command(words: Sequence[str]) -> Callable[[], int] | None:
    """Return the work of a plain `fixer diagnose` or `fixer repair`; None for any other command line."""
    options = [word for word in words[1:] if word.startswith("-")]
    targets = [word for word in words[1:] if not word.startswith("-")]
    known = _FLAG_OPTIONS.get(words[0]) if words else None
    if known is None or len(targets) > 1 or not known.issuperset(options):
        return None
    if COMPLETION_VARIABLE in os.environ:
        return None
    target, no_probe = targets[0] if targets else "local", "--no-probe" in options
    as_json = not _JSON_OPTIONS.isdisjoint(options)
    if words[0] == "repair":
        yes = not {"--yes", "-y"}.isdisjoint(options)
        return lambda: run_plain_repair(target, yes=yes, dry_run="--dry-run" in options, as_json=as_json,
                                        no_probe=no_probe)
    verbose = not {"--verbose", "-v"}.isdisjoint(options)
    return lambda: run_diagnose(target, "json" if as_json else "console", verbose=verbose, no_probe=no_probe)
