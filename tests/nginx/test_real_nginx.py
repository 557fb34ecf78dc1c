"""Our problems against those of a real nginx, where one is installed: the same words, the same line, no false alarm."""

from __future__ import annotations

import random
import re
import shutil
import subprocess

import pytest

from fixer.nginx.config import read_config
from tests.nginx import golden_cases

NGINX = shutil.which("nginx")
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx here")
SINGLE = [case for case in sorted(golden_cases.CASES.glob("*.conf")) if len(golden_cases.files_of(case)) == 1 and case.stem != "lua"]
PIECES = [b'"', b"'", b";", b"{", b"}", b"\\", b"${", b"#", b"\n", b"listen 80;", b"location /q {}", b"proxy_pass http://127.0.0.1:9;",
          b"server {", b'"a")', b"\r", b"include", b"default_server", b"backup"]


def said(data: bytes, folder) -> tuple[bool, str, int]:
    """Whether nginx takes a configuration, else its first words and the line."""
    path = folder / "nginx.conf"
    path.write_bytes(data)
    argv = [NGINX, "-t", "-c", str(path), "-p", str(folder), "-g", "error_log stderr;"]
    run = subprocess.run(argv, capture_output=True, check=False)
    text = run.stderr.decode("utf-8", "backslashreplace")
    found = re.search(r"\[emerg\] \d+#\d+: (.*?)(?: in " + re.escape(str(path)) + r":(\d+))?$", text, re.MULTILINE)
    return "syntax is ok" in text, found[1] if found else text, int(found[2] or 0) if found else 0


def ours(data: bytes, *, certain: bool = True) -> list[tuple[str, int]]:
    return [(p.message, p.line) for p in read_config({"/n.conf": data}, "/n.conf").problems if p.fatal or not certain]


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.stem)
def test_first_problem_is_the_one_nginx_names(case, tmp_path):
    data = golden_cases.files_of(case)[golden_cases.MAIN]
    accepted, message, line = said(data, tmp_path)
    mine = ours(data)
    if accepted:
        assert not mine
    elif case.stem.startswith("bad-"):
        assert (message, line) in ours(data, certain=False)      # of an unknown name only nginx can be certain


def test_no_false_alarm_on_what_nginx_accepts(tmp_path):
    draw = random.Random(7)
    accepted = 0
    for _ in range(150):
        data = bytearray(golden_cases.files_of(golden_cases.CASES / draw.choice(["syntax.conf", "upstreams.conf", "crlf-latin1.conf"]))[golden_cases.MAIN])
        data = data.replace(b"app.internal", b"127.0.0.1").replace(b"localhost", b"127.0.0.1").replace(b"${b}", b"${host}")
        place = draw.randrange(len(data))
        data[place : place + draw.choice((0, 1))] = draw.choice([b"", *PIECES])
        good, _, _ = said(bytes(data), tmp_path)
        accepted += good
        assert not (good and ours(bytes(data))), bytes(data)
    assert accepted > 20
