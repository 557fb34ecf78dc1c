"""`fixer diagnose` without its command line: the request, the output and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from fixer import error_boundary
from fixer.errors import UsageError
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    from fixer.app.inspect_target import diagnose
    from fixer.app.request import DiagnoseRequest, check_url
    from fixer.hosts.nodes.local_node import start_prefetch
    from fixer.hosts.open_target import start_opening
    from fixer.render import to_console, to_html, to_json, to_markdown
    from fixer.render.terminal_text import Style
    from fixer.terminal import command_as_root, style_of

_Result = TypeVar("_Result", bound="to_json.Document")


def print_result(result: _Result, to_text: Callable[[_Result, Style], str], as_json: bool) -> None:
    """Print what a command made, as JSON or as text for this terminal."""
    error_boundary.emit(to_json.render(result) if as_json else to_text(result, style_of(sys.stdout)))


def run_diagnose(target: str, form: str, *, url: str = "", verbose: bool = False, wait: float = 0.0,
                 no_probe: bool = False, requests: int = 0) -> int:
    """Run `fixer diagnose`: print one observation and return the exit code."""
    prefetch(target)
    report = diagnose(target, make_request(url, wait, no_probe, requests))
    if form == "json":
        error_boundary.emit(to_json.render(report))
    elif form == "markdown":
        error_boundary.emit(to_markdown.render(report))
    elif form == "html":
        error_boundary.emit(to_html.render(report))
    else:
        words = ("diagnose", *(() if target == "local" else (target,)), *(("--url", url) if url else ()),
                 *(("--wait", f"{wait:g}") if wait else ()), *(("--no-probe",) if no_probe else ()),
                 *(("--requests", str(requests)) if requests else ()))
        as_root = command_as_root(target, words) if report.without_root else ""
        error_boundary.emit(to_console.render(report, style_of(sys.stdout), verbose=verbose, as_root=as_root))
    return health_code(report.verdict)


def prefetch(target: str) -> None:
    """Start the slowest questions before the use case is even imported."""
    if target == "local":
        start_prefetch()
    elif target.startswith(("docker://", "compose://")):
        start_opening(target)


def make_request(url: str, wait: float, no_probe: bool, requests: int = 0) -> DiagnoseRequest:
    """Return the checked request."""
    if no_probe and requests:
        raise UsageError("--no-probe and --requests contradict each other", "use one of them")
    return DiagnoseRequest(url=check_url(url), wait=wait, no_probe=no_probe, requests=requests)


def health_code(verdict: str) -> int:
    """Return the exit code of a diagnosis."""
    return {"healthy": 0, "unknown": 3}.get(verdict, 1)
