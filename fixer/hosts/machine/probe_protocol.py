"""Input and output of probes: specs for the probe program or plain tools, and their outcomes as answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from fixer import __version__
from fixer.hosts.machine import run_process
from fixer.hosts.machine.look_budget import seconds_within
from fixer.hosts.machine.probe_program import (
    BODY_LIMIT,
    HEAD_LIMIT,
    SERIES_SECONDS,
    after_interim,
    is_interim,
    is_whole,
)
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.query import Answer, Probe, Query
from fixer.model.snapshot import PROBE_REFERRER

with lazy_imports():
    import pkgutil  # only for a program that runs elsewhere

    from fixer.hosts.machine.probe_program import probe_all  # import sockets only when needed

AGENT = f"badgateway/{__version__}"


def spec_of(probe: Probe) -> dict[str, object]:
    """Return a probe as plain data for the probe program."""
    return {
        "host": probe.host, "port": probe.port, "path": probe.path, "unix": probe.unix, "tls": probe.tls,
        "host_header": probe.host_header, "sni": probe.sni, "proxy_protocol": probe.proxy_protocol,
        "timeout": probe.timeout, "attempt": probe.attempt, "agent": AGENT, "referrer": _referrer(probe),
        "uwsgi": probe.uwsgi,
        "series": series_seconds(probe),
    }


def series_seconds(probe: Probe) -> float:
    """Return the seconds in which attempts of this request may begin: in a look, each has its whole time."""
    return max(0.0, seconds_within(SERIES_SECONDS + probe.timeout) - probe.timeout)


def _referrer(probe: Probe) -> str:
    """Return the Referer by which nginx's error log names our requests: a page of the site that is asked, so that no
    rule against foreign pages (`valid_referers`) refuses it."""
    host = probe.host_header or probe.host or "localhost"
    return f"{'https' if probe.tls else 'http'}://{host}{PROBE_REFERRER}"


def http_request(probe: Probe) -> str:
    """Return the request that plain tools send; empty for a mere connect, or if a slot is invalid in a request. A shell
    holds no zero byte, so what speaks uwsgi is only connected to."""
    host = probe.host_header or probe.host or "localhost"
    if probe.path is None or probe.uwsgi or any(char in f"{probe.path}{host}" for char in "\r\n\0 "):
        return ""
    lines = (f"GET {probe.path} HTTP/1.1", f"Host: {host}", f"User-Agent: {AGENT}", f"Referer: {_referrer(probe)}",
             "Accept: */*", "Connection: close")
    return "\r\n".join((*lines, "", ""))


def program_source() -> str:
    """Return the text of the probe program (by pkgutil: it may be inside a zip)."""
    data = pkgutil.get_data("fixer.hosts.machine", "probe_program.py")
    assert data is not None
    return data.decode()


def program_argument(probes: Sequence[Probe], enter: Sequence[str] = ()) -> str:
    """Return the one argument of the probe program."""
    return json.dumps({"probes": [spec_of(p) for p in probes], "enter": list(enter)})


def probe_here(probes: Sequence[Probe]) -> dict[Query, Answer]:
    """Probe from this process's own network namespace."""
    outcomes = probe_all([spec_of(p) for p in probes])  # type: ignore[no-untyped-call] # a file for old pythons
    return {p: _answer(o) for p, o in zip(probes, outcomes, strict=True)}


def _answer(outcome: object) -> Answer:
    if outcome is None:
        return Answer("failed", message=f"not asked again: {SERIES_SECONDS:g} s of requests were over")
    return Answer("ok", json.dumps(outcome).encode())


def probe_inside(probes: Sequence[Probe], pid: int) -> dict[Query, Answer] | None:
    """Probe from the namespaces of a process of this machine; None if they cannot be entered."""
    enter = [f"/proc/{pid}/ns/net", f"/proc/{pid}/ns/mnt"]
    argv = [sys.executable, "-I", "-S", "-c", program_source(), program_argument(probes, enter)]
    result = run_process.run(argv, timeout=longest_timeout(probes) + 5)
    return parse_outcomes(probes, result.stdout) if result.returncode == 0 else None


def longest_timeout(probes: Sequence[Probe]) -> float:
    """Return the longest time that these probes take, in seconds."""
    series = SERIES_SECONDS if any(p.attempt for p in probes) else 0.0
    return series + max((p.timeout for p in probes), default=0.0)


def parse_outcomes(probes: Sequence[Probe], data: bytes) -> dict[Query, Answer] | None:
    """Parse the probe program's output; None unless it is complete and well formed."""
    try:
        outcomes = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(outcomes, list) or len(outcomes) != len(probes):
        return None
    if not all(o is None or (isinstance(o, Mapping) and "phase" in o and "error" in o) for o in outcomes):
        return None
    return {p: _answer(o) for p, o in zip(probes, outcomes, strict=True)}


_TIMED_OUT = ("124", "137", "143")
_BEGINNING = regex(rb"H(T(T(P(/|$)|$)|$)|$)")
_STATUS = regex(rb"HTTP/\S+ (\d{3})\b")
# the tool may report a reset before it prints the answer
_ERROR_BEFORE_ANSWER = regex(rb"^(?:cat|bash|nc|sh): [^\n]*\n(?=HTTP/)")
_ERROR_MESSAGES: tuple[tuple[bytes, str, int | None], ...] = (
    (b"Connection refused", "refused", 111), (b"No route to host", "unreachable", 113),
    (b"Network is unreachable", "unreachable", 101), (b"Connection timed out", "timeout", 110),
    (b"Connection reset", "reset", 104), (b"Name or service not known", "unresolved", None),
    (b"name resolution", "unresolved", None), (b"bad address", "unresolved", None),
)


def probe_outcome(probe: Probe, words: Sequence[str], data: bytes) -> dict[str, object]:
    """Return the output of bash's /dev/tcp or busybox nc as the outcome that the probe program would give.
    `words` are the tool's exit code, and nanoseconds before and after it if the node's date prints them."""
    code, is_connect = words[0], probe.path is None or probe.uwsgi
    found: dict[str, object] = {
        "phase": "connect", "errno": None, "error": None, "status": None, "ms": _milliseconds(words[1:]),
        "head": "", "body": "",
    }
    came, data = len(data), after_interim(_ERROR_BEFORE_ANSWER.sub(b"", data))
    head, whole, body = data.partition(b"\r\n\r\n")
    if is_interim(head) or (came and not data):  # a tool reads so many bytes of interim answers, and no more
        cut = code in _TIMED_OUT or came >= HEAD_LIMIT
        return found | {"error": "timeout" if cut else "closed", "phase": "head"}
    if code in _TIMED_OUT and not whole and _BEGINNING.match(data):
        return found | {"error": "timeout", "phase": "head", "head": head[:HEAD_LIMIT].decode("latin-1"),
                        "arrived": len(data)}
    if match := _STATUS.match(data):
        found |= {
            "phase": "done" if whole else "head", "status": int(match[1]), "head": head[:HEAD_LIMIT].decode("latin-1"),
            "body": body[:BODY_LIMIT].decode("latin-1"), "error": None if whole else "closed",
            # what a tool printed may be cut or masked since: that an answer ends early, it cannot prove
            "whole": is_whole(head, body, ended=False) if whole else None,
        }
        return found
    for text, word, number in _ERROR_MESSAGES if code != "0" else ():
        if text in data:
            return found | {"error": word, "errno": number, "phase": "head" if word == "reset" else "connect"}
    if code in _TIMED_OUT:
        # a plain tool does not show whether the connect or the answer was slow: the request was already written
        return found | {"error": "timeout", "phase": "connect" if is_connect else "head"}
    if is_connect:
        return found | ({"phase": "done"} if code == "0" else {"error": data[:200].decode("latin-1") or "failed"})
    return found | {"phase": "head", "error": "not-http" if data else "closed"}


def _milliseconds(stamps: Sequence[str]) -> float:
    if len(stamps) == 2 and all(stamp.isdigit() and len(stamp) > 15 for stamp in stamps):
        return round((int(stamps[1]) - int(stamps[0])) / 1e6, 1)
    return 0.0
