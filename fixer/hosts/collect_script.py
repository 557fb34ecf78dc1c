"""`fixer collect --script`: a POSIX sh program that asks all queries at once and writes a redacted bundle."""

from __future__ import annotations

import json
import pkgutil
import shlex
from collections.abc import Sequence

from fixer.hosts.machine import query_commands
from fixer.hosts.sh import round_script
from fixer.hosts.sh.round_script import build_round_script
from fixer.model.query import Command, Query
from fixer.nginx.directives import CORE, EVENTS, HTTP
from fixer.redaction.allowed import awk_table

COLLECT_HEADER = "badgateway-collect 1"
MOST_PROBES = 60
FILE_LIMIT = (1 << 16) + 1
JOURNAL_LINES = 200
LOG_LIMIT = 256 << 10  # bytes of each nginx log, as in any observation


def build_collect_script(queries: Sequence[Query], described: Sequence[object], *, secret_words: str,
                         agent: str) -> str:
    """Return the script for `queries`, which it asks as any round does.
    `described` are the queries as JSON, for the reader of the bundle; `secret_words` are names of secrets as an ERE."""
    asked = build_round_script(queries)
    text = asked.script.decode("utf-8", "surrogateescape").replace("item end\n}\nround </dev/null 2>/dev/null\n", "}\n")
    described_round = {"nonce": asked.nonce.decode(), "prefix": asked.prefix.decode(), "queries": list(described)}
    numbers = {query.name: str(i) for i, query in enumerate(queries) if isinstance(query, Command)}
    shown = [str(i) for i, query in enumerate(queries) if isinstance(query, Command) and query.name == "systemctl-show"]
    redact = redact_program(secret_words, kernel=numbers.get("kernel-log", "-"), rules=numbers.get("nft-rules", "-"),
                            units=" ".join(shown))
    assert "'" not in redact
    parts = {
        "LINES": str(JOURNAL_LINES), "AS_JSON": shlex.join(query_commands.JOURNAL_AS_JSON),
        "AS_TEXT": shlex.join(query_commands.JOURNAL_AS_TEXT), "FILE": str(FILE_LIMIT), "LOG": str(LOG_LIMIT),
        "PROBES": str(MOST_PROBES), "AGENT": agent, "ROUND": text,
        "REDACT": redact, "MAGIC": COLLECT_HEADER, "HEADER": shlex.quote(json.dumps(described_round)),
        "PLAIN": round_script.PLAIN_PROBES,
    }
    script = _read_package_file("collect.sh")
    for name, value in parts.items():
        script = script.replace(f"@{name}@", value)
    return script


def redact_program(secret_words: str, *, kernel: str = "-", rules: str = "-", units: str = "") -> str:
    """Return the awk program that masks what a script collected, made from the table of fixer/redaction.
    `kernel`, `rules` and `units` are the numbers of queries whose answers have a form of their own."""
    names = (name.decode() for table in (CORE, EVENTS, HTTP) for name in table)
    text = _read_package_file("redact.awk") + _read_package_file("mask.awk") + awk_table(names)
    for name, value in (("WORDS", secret_words), ("KERNEL", kernel), ("JSON", rules), ("UNITS", units)):
        text = text.replace(f"@{name}@", value)
    return text


def _read_package_file(name: str) -> str:
    """Return a file of this package, also inside a zip."""
    data = pkgutil.get_data("fixer.hosts", name)
    assert data is not None
    return data.decode()
