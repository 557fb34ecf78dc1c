"""Requests of the use cases, checked before any observation."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Literal

from fixer.errors import UsageError
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    from urllib.parse import urlsplit  # with ipaddress 4 ms, only for --url


@dataclass(frozen=True, slots=True)
class DiagnoseRequest:
    """How to observe: an address to check first, a longer wait, no probes, or so many requests for each route."""

    url: str = ""
    wait: float = 0.0
    no_probe: bool = False
    requests: int = 0


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """How to repair. `max_risk` None: prompt for each risk at a terminal, `safe` with `yes`. `plan`: apply only the
    plan with this id, as a dry run showed it."""

    diagnose_request: DiagnoseRequest
    dry_run: bool
    yes: bool
    max_risk: Literal["safe", "disruptive"] | None
    only: str | None
    inputs: Mapping[str, str]
    plan: str | None = None

    def allowed_risk(self) -> Literal["safe", "disruptive"]:
        """Return the highest risk allowed. Without `--yes` an operator confirms each plan."""
        return self.max_risk or ("safe" if self.yes else "disruptive")


def parse_inputs(words: Sequence[str]) -> Mapping[str, str]:
    """Return `--set KEY=VALUE` arguments as a map. No message shows a value: it may be a secret."""
    inputs: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError("--set takes KEY=VALUE; one has no =", "for example: --set SECRET_KEY=VALUE")
        if not key.strip() or not key.isprintable():
            raise UsageError("--set takes KEY=VALUE; one has no key", "for example: --set SECRET_KEY=VALUE")
        if any(char in value for char in "\0\r\n"):
            raise UsageError(f"--set {key}: the value must be one line", "use a value without line breaks")
        if inputs.setdefault(key, value) != value:
            raise UsageError(f"--set {key} has two different values", "use it once")
    return inputs


def read_input_lines(name: str) -> list[str]:
    """Return the KEY=VALUE lines of a file (`-`: stdin), which no list of processes shows. Empty lines are left out."""
    try:
        if name == "-":
            text = sys.stdin.read()
        else:
            with open(name, encoding="utf-8") as file:  # noqa: PTH123  importing pathlib is slow
                text = file.read()
    except OSError as error:
        raise UsageError(f"--set-from {name} cannot be read: {error.strerror}", "name a file, or - for stdin") from None
    except UnicodeDecodeError:
        raise UsageError(f"--set-from {name}: the file is not UTF-8", "write one KEY=VALUE on each line") from None
    lines = [line for line in text.split("\n") if line.strip()]
    for number, line in enumerate(lines, 1):
        if "=" not in line:
            raise UsageError(f"--set-from {name}: entry {number} has no =", "write one KEY=VALUE on each line")
    return lines


def check_url(url: str) -> str:
    """Return the URL; raise UsageError unless it is http or https, with a host, without user and password."""
    if not url:
        return ""
    hint = "for example: --url https://shop.example/api/login"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"--url is not an address: {error}", hint) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("--url takes an http:// or https:// address", hint)
    if parts.username is not None or not url.isprintable() or " " in url:
        raise UsageError("--url takes no user, password, space or control character", hint)
    return url
