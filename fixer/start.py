"""Start of every command line. A plain `diagnose` skips the parser, whose import takes a fifth of a diagnosis.

Only what the parser would understand in one way is read here: `diagnose` with a target and options without arguments.
The parser handles everything else, mistakes included."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence

gc.set_threshold(100_000)  # a short run makes many objects and hardly a cycle, starting with the next line

from fixer import error_boundary  # noqa: E402
from fixer.lazy.lazy_imports import lazy_imports  # noqa: E402

with lazy_imports():
    from fixer.cli import run_command_line
    from fixer.diagnose_command import run_diagnose
    from fixer.languages.choose_language import take_language

COMPLETION_VARIABLE = "_FIXER_COMPLETE"  # the shell asks what could follow: the parser answers
_JSON_OPTIONS = frozenset({"--json", "--agent"})
_FLAG_OPTIONS = frozenset({*_JSON_OPTIONS, "--verbose", "-v", "--no-probe"})


def main(argv: Sequence[str] | None = None, *, instead: Callable[[], object] | None = None) -> int:
    """Run one command line and return its exit code; `instead` replaces its work, within the same error boundary."""
    words = list(sys.argv[1:] if argv is None else argv)
    code = error_boundary.run(instead or (lambda: _run(words)), words)
    if argv is None:
        gc.freeze()  # process exit frees everything: Python would first visit every object for 20 ms
    return code


def _run(words: list[str]) -> object:
    if any(word.startswith("--lang") for word in words):
        words = take_language(words)
    plain = plain_diagnose(words)
    return plain() if plain else run_command_line(words)


def plain_diagnose(words: Sequence[str]) -> Callable[[], int] | None:
    """Return the work of a plain `fixer diagnose`; None for any other command line."""
    options = [word for word in words[1:] if word.startswith("-")]
    targets = [word for word in words[1:] if not word.startswith("-")]
    if words[:1] != ["diagnose"] or len(targets) > 1 or not _FLAG_OPTIONS.issuperset(options):
        return None
    if COMPLETION_VARIABLE in os.environ:
        return None
    form = "console" if _JSON_OPTIONS.isdisjoint(options) else "json"
    verbose = not {"--verbose", "-v"}.isdisjoint(options)
    return lambda: run_diagnose(targets[0] if targets else "local", form, verbose=verbose,
                                no_probe="--no-probe" in options)
