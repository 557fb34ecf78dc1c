"""`fixer repair` without its command line: the output and the exit code.

The parser takes a fifth of a look to import, and visitors wait for the repair: a plain one does without it."""

from __future__ import annotations

from functools import partial

from fixer.diagnose_command import make_request, prefetch, print_result
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    from fixer.app.repair import repair
    from fixer.app.request import RepairRequest
    from fixer.render.outcome_text import repair_text
    from fixer.terminal import Terminal, command_as_root, is_root


def run_plain_repair(target: str, *, yes: bool, dry_run: bool, as_json: bool, no_probe: bool) -> int:
    """Run `fixer repair` with no option that takes a value, and return the exit code."""
    looking = make_request("", 0.0, no_probe)
    options = RepairRequest(
        looking, dry_run=dry_run, yes=yes, max_risk=None, only=None, inputs={},
    )
    return run_repair(target, options, as_json=as_json)


def run_repair(target: str, options: RepairRequest, *, as_json: bool) -> int:
    """Run one repair: print what became of it and return the exit code.

    The slowest questions of its first look are asked before the repair itself is imported. If that undoes an earlier
    one first, they are asked again."""
    prefetch(target)
    result = repair(target, options, Terminal())
    as_root = ""
    if result.after.without_root and not as_json:
        where = () if target == "local" else (target,)
        as_root = command_as_root(target, ("repair", *where, *(("--dry-run",) if options.dry_run else ())))
    print_result(result, partial(repair_text, root=is_root(), as_root=as_root), as_json)
    return result.exit_code
