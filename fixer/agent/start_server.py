"""Start of `fixer mcp`: its options are checked here, before the protocol's SDK is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from fixer.agent.audit_log import AuditLog
from fixer.agent.settings import Settings, parse_targets
from fixer.errors import UsageError
from fixer.hosts.machine.state_root import private_root
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    from fixer.agent.mcp_server import serve  # the SDK: half a second

_SDK = ("mcp", "mcp_types", "anyio", "jsonschema")  # the second came with version 2


def start_server(
    targets: Sequence[str], audit: str, bundles: str, *, allow_repair: bool, allow_unattended: bool,
    max_risk: Literal["safe", "disruptive"],
) -> int:
    """Serve one client on stdin and stdout, and return the exit code. Raise UsageError for wrong options, and without
    the SDK; NeedsPerson if the audit log cannot be written."""
    if allow_unattended and not allow_repair:
        raise UsageError("--allow-unattended needs --allow-repair", "without it no tool changes anything")
    known = parse_targets(targets)
    if not has_sdk():
        raise UsageError("fixer mcp needs the SDK of the Model Context Protocol (mcp 2.1 or newer)",
                         "pip install 'mcp>=2.1,<3' beside fixer; fixer.pyz and the Debian package cannot hold it")
    if sys.stdin.isatty():
        sys.stderr.write("fixer mcp speaks the Model Context Protocol on stdin and stdout; a client starts it\n")
    log = AuditLog(audit)
    folder = bundles or f"{private_root()}/bundles"
    try:
        return serve(Settings(known, allow_repair, allow_unattended, max_risk, folder), log)
    finally:
        log.close()


def has_sdk() -> bool:
    """Return whether a version of the SDK that fits is installed. This imports none of it."""
    return all(find_spec(name) is not None for name in _SDK)
