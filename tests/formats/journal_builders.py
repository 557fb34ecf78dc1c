"""Entries of a journal as `journalctl -o json` prints them."""

from __future__ import annotations

import json

STARTED, STOPPING = "39f53479d3a045ac8e11786248231fbf", "de5b426a63be47a7b6ac3eaac82e2f6f"
EXITED, FAILED = "98e322203f7a4ed290d09fe03c09fe15", "d9b373ed55a64feb8242e02dbe79a49c"
AGAIN, OOM = "5eb03494b6584870a536b337290809b3", "fe6faa94e7774663a0da52717891d8ef"
UNSTARTED, SPAWN, ENDED = "be02cf6855d2428ba40df7e9d022f03d", "641257651c1b4ec9a8624d7a40a9e1e7", "7ad2d189f7e94e70a38c781354912448"
MICROSECONDS = 1795533913912829


def entry(message: object, *, at: int = 0, pid: int = 1, name: str = "systemd", **fields: object) -> bytes:
    """One entry; `at` is in microseconds after MICROSECONDS."""
    told = {"__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": str(MICROSECONDS + at), "_BOOT_ID": "0" * 32, "_PID": str(pid),
            "SYSLOG_IDENTIFIER": name, "MESSAGE": message, **fields}
    return json.dumps(told, ensure_ascii=False).encode() + b"\n"


def systemd(message: str, number: str = "", **fields: object) -> bytes:
    """One entry of systemd about api.service."""
    return entry(message, UNIT="api.service", **({"MESSAGE_ID": number} if number else {}), **fields)  # type: ignore[arg-type]
