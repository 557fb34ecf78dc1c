"""What the tests of fixer/nginx/config.py and others are built of."""

from __future__ import annotations

from fixer.nginx.config import read_config
from tests.nginx import golden_cases


def read(text: bytes, **more: bytes):
    files = {golden_cases.MAIN: b"events {}\nhttp {\n" + text + b"\n}\n"}
    files.update({f"/etc/nginx/{name}": data for name, data in more.items()})
    return read_config(files, golden_cases.MAIN)
