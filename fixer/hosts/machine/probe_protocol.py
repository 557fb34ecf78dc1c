"""Probes as the probe program takes them, and its outcomes as answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from fixer import __version__
from fixer.hosts.machine import run_process
from fixer.model.query import Answer, Probe, Query

AGENT = f"badgateway/{__version__}"


def spec_of(probe: Probe) -> dict[str, object]:
    """A probe as plain data for the probe program."""
    return {
        "host": probe.host, "port": probe.port, "path": probe.path, "unix": probe.unix, "tls": probe.tls,
        "host_header": probe.host_header, "sni": probe.sni, "proxy_protocol": probe.proxy_protocol,
        "timeout": probe.timeout, "agent": AGENT,
    }


def http_request(probe: Probe) -> str:
    """The request that the plain tools send; empty for a mere connect, or where a slot is no part of a request."""
    host = probe.host_header or probe.host or "localhost"
    if probe.path is None or any(char in f"{probe.path}{host}" for char in "\r\n\0 "):
        return ""
    lines = (f"GET {probe.path} HTTP/1.1", f"Host: {host}", f"User-Agent: {AGENT}", "Accept: */*", "Connection: close")
    return "\r\n".join((*lines, "", ""))


def program_source() -> str:
    """The text of the probe program (pkgutil: it must be found inside a zip too)."""
    import pkgutil  # only for a program that runs elsewhere

    data = pkgutil.get_data("fixer.hosts.machine", "probe_program.py")
    assert data is not None
    return data.decode()


def request_text(probes: Sequence[Probe], enter: Sequence[str] = ()) -> str:
    """The one argument of the probe program."""
    return json.dumps({"probes": [spec_of(p) for p in probes], "enter": list(enter)})


def probe_here(probes: Sequence[Probe]) -> dict[Query, Answer]:
    """Probe from this process's own network namespace."""
    from fixer.hosts.machine.probe_program import probe_all  # sockets are imported only when asked for

    outcomes = probe_all([spec_of(p) for p in probes])  # type: ignore[no-untyped-call] # a file for old pythons
    return {p: Answer("ok", json.dumps(o).encode()) for p, o in zip(probes, outcomes, strict=True)}


def probe_inside(probes: Sequence[Probe], pid: int) -> dict[Query, Answer] | None:
    """Probe from the namespaces of a process of this machine; None where they cannot be entered."""
    enter = [f"/proc/{pid}/ns/net", f"/proc/{pid}/ns/mnt"]
    argv = [sys.executable, "-I", "-S", "-c", program_source(), request_text(probes, enter)]
    result = run_process.run(argv, timeout=longest(probes) + 5)
    return parse_outcomes(probes, result.stdout) if result.returncode == 0 else None


def longest(probes: Sequence[Probe]) -> float:
    """How long the slowest of these probes may take."""
    return max((p.timeout for p in probes), default=0.0)


def parse_outcomes(probes: Sequence[Probe], data: bytes) -> dict[Query, Answer] | None:
    """The answers in what the probe program printed; None unless it is whole and well formed."""
    try:
        outcomes = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(outcomes, list) or len(outcomes) != len(probes):
        return None
    if not all(isinstance(o, Mapping) and "phase" in o and "error" in o for o in outcomes):
        return None
    return {p: Answer("ok", json.dumps(o).encode()) for p, o in zip(probes, outcomes, strict=True)}
