"""Proposals for a TARGET argument that names no target. What exists under the name is proposed alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from fixer.errors import FixerError
from fixer.hosts.docker_engine.docker_cli import PROJECT_LABEL, docker
from fixer.hosts.machine import run_process
from fixer.hosts.ssh import ssh_command
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex

with lazy_imports():
    from difflib import get_close_matches  # 5 ms, for a wrong scheme only

_HERE = frozenset({"localhost", "127.0.0.1", "::1", "here", "self", "host", "this"})
_SCHEME = regex(r"([A-Za-z]{2,12}):/{0,2}([^/].*)\Z")
_KINDS = ("docker", "compose", "ssh", "bundle")
_PAGE = regex(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(?::\d{1,5})?/\S*\Z|localhost(?::\d{1,5})?/\S*\Z")
_OWN_PORT = regex(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):\d{1,5}\Z")
_RUN = regex(r"\d{8}-\d{6}-[0-9a-f]{4}\Z")
_IP = regex(r"\d{1,3}(?:\.\d{1,3}){3}\Z")
_ASK_SECONDS = 2.0


def target_hint(word: str, is_target: Callable[[str], bool]) -> str:
    """Return what was probably intended instead of `word`; empty if nothing is similar."""
    if word.lower().startswith(("http://", "https://")) or _PAGE.match(word):
        return _page_hint(word if "://" in word else f"http://{word}")
    if _OWN_PORT.match(word):
        return _page_hint(f"http://{word}/")
    if _RUN.match(word):
        return f"to name a run: fixer undo --id {word}"
    if os.path.isfile(word) or word.endswith((".tgz", ".tar.gz", ".tar", ".bundle")):
        return f"did you mean bundle:{word.removeprefix('file:').removeprefix('//')}?"
    if word.lower() in _HERE:
        return "did you mean local?"
    meant = [target for target in _candidates(word) if is_target(target)]
    if len(meant) < 2:
        return f"did you mean {meant[0]}?" if meant else ""
    existing = _existing(meant, word)
    *others, last = existing or meant
    return f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?"


def _page_hint(url: str) -> str:
    """Return how to check a page. Never repeat a password."""
    shown = "URL" if "@" in url or not url.isprintable() else url
    return f"to check the page at an address: fixer diagnose --url {shown}"


def _candidates(word: str) -> Sequence[str]:
    scheme = _SCHEME.match(word)
    if scheme and not scheme[2].isdigit():  # web1:2222 is a host and its port
        kind = scheme[1].lower()
        if kind not in _KINDS:
            kind = next(iter(get_close_matches(kind, _KINDS, n=1)), "")
        return (f"{kind}:{scheme[2]}" if kind == "bundle" else f"{kind}://{scheme[2]}",) if kind else ()
    if "@" in word or ":" in word or _IP.match(word):
        return (f"ssh://{word}",)
    return (f"ssh://{word}", f"docker://{word}", f"compose://{word}")


def _existing(meant: Sequence[str], name: str) -> list[str]:
    """Return the proposals that name something: a container, a project, a host that ssh or this machine knows."""
    boxes, projects = _docker_names()
    known = {"docker": name in boxes, "compose": name in projects, "ssh": _is_known_host(name)}
    return [target for target in meant if known[target.partition(":")[0]]]


def _docker_names() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of all containers and Compose projects; none if Docker does not answer."""
    columns = f'{{{{.Names}}}}\t{{{{.Label "{PROJECT_LABEL}"}}}}'
    try:
        listed = docker("ps", "-a", "--format", columns, timeout=_ASK_SECONDS)
    except FixerError:
        return frozenset(), frozenset()
    rows = [line.partition("\t") for line in listed.stdout.decode(errors="replace").splitlines()]
    return frozenset(name for name, _, _ in rows), frozenset(project for _, _, project in rows if project)


def _is_known_host(name: str) -> bool:
    """Return whether ssh's configuration or the machine's name service knows the host. Connects to nothing there."""
    try:
        settings = run_process.run((*ssh_command(), "-G", name), timeout=_ASK_SECONDS)
    except FixerError:
        return False
    chosen = dict(line.split(" ", 1) for line in settings.stdout.decode(errors="replace").splitlines() if " " in line)
    if settings.returncode == 0 and chosen.get("hostname", name).lower() != name.lower():
        return True
    return run_process.run(("getent", "hosts", name), timeout=_ASK_SECONDS).returncode == 0
