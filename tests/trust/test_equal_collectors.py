"""What fixer masks and what the collect script masks is the same, byte by byte, also in damaged files: drawn by seeds."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess

import pytest

from fixer.hosts.collect_script import redact_program
from fixer.redaction.all_files import (
    redact_cmdline,
    redact_file,
    redact_journal,
    redact_logs,
    redact_script,
    redact_unit,
)
from fixer.redaction.masks import Masks
from fixer.redaction.secrets import MASKED_NAME_PARTS
from tests.trust.drawn_lines import HOSTS, draw_file
from tests.trust.test_drawn_secrets import PATHS

pytestmark = pytest.mark.skipif(shutil.which("awk") is None, reason="the script needs awk")

SEEDS = (1, 2, 3)
FILES = 250
SCRIPT = redact_program(MASKED_NAME_PARTS.replace("(?:", "("))
AWKS = [("awk",), *(awk for awk in (("busybox", "awk"), ("mawk",), ("gawk",)) if shutil.which(awk[0]))]
HEADERS = {
    "nginx": "==> /./etc/nginx/nginx.conf <==", "top": "==> /./etc/nginx/conf.d/a.conf <==", "unit": "==> /./etc/systemd/system/a.service <==", "env": "==> /./etc/default/app <==",
    "code": "==> /./srv/a.py <==", "script": "==> /./etc/cron.d/run <==", "program": "==> /./etc/supervisor/conf.d/x.conf <==", "argv": "==> /./proc/7/cmdline <==", "log": "==> /./var/log/x.log <==",
    "nginx-log": "==> /./var/log/nginx/error.log <==", "journal": "nonce journal out a.service",
}
LOGS = ("log", "nginx-log", "journal")
MARK = re.compile(rb"\[(?:masked [0-9]+|redacted[^\]]*)\]")


def by_fixer(kind: str, text: str, masks: Masks) -> bytes:
    """Return a file as a bundle of fixer holds it."""
    data = text.encode()
    if kind in PATHS and kind != "script":
        return redact_file(PATHS[kind], data, masks)
    by_kind = {"unit": redact_unit, "program": redact_unit, "argv": redact_cmdline, "script": redact_script, "journal": redact_journal}
    return by_kind.get(kind, redact_logs)(data, masks)


def by_script(files: list[tuple[str, str]], awk: tuple[str, ...] = ("awk",)) -> list[bytes]:
    """Return files as the bundle of the collect script holds them, all masked by one run."""
    text = "".join(f"{HEADERS[kind]}\n{text}\nnonce end\n" for kind, text in files).replace("\0", "\x01")
    done = subprocess.run([*awk, "-v", "N=nonce", "-v", "P=/.", "-v", "U=", "-v", "K=", "-v", f"H={' '.join(HOSTS)}", SCRIPT],
                          input=text.encode(), capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"})
    return [part.partition(b"\n")[2].removesuffix(b"\n").replace(b"\x01", b"\0") for part in done.stdout.split(b"nonce end\n")[:-1]]


def differing(files: list[tuple[str, str]], awk: tuple[str, ...], shape: bytes | None = None) -> list[str]:
    """Return the files that both write in different ways; `shape` stands for every mark."""
    masks = Masks(hosts=frozenset(HOSTS))
    found = []
    for (kind, text), script in zip(files, by_script(files, awk), strict=True):
        one, other = by_fixer(kind, text, masks), script
        if shape is not None:
            one, other = MARK.sub(shape, one), MARK.sub(shape, other)
        if one != other:
            found.append(f"{kind} {text!r}: fixer {one!r}, script {other!r}")
    return found


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("seed", SEEDS)
def test_both_mask_the_same_in_files(seed: int, awk: tuple[str, ...]) -> None:
    """Also the numbers of the marks are the same."""
    dice = random.Random(seed)
    files = [file for file in (draw_file(dice) for _ in range(FILES)) if file[0] not in LOGS]
    assert len(files) > FILES // 2 and differing(files, awk) == []


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("seed", SEEDS)
def test_both_mask_the_same_in_logs(seed: int, awk: tuple[str, ...]) -> None:
    """A mark may name another kind of secret: the same value has the shape of several."""
    dice = random.Random(seed)
    files = [file for file in (draw_file(dice) for _ in range(2 * FILES)) if file[0] in LOGS]
    assert len(files) > FILES // 4 and differing(files, awk, b"[]") == []


TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in <module>\n    {}\nConnectionRefusedError: [Errno 111] Connection refused'


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(("call", "shown"), [
    ('socket.create_connection(("store", 5258), 5)', True), ("s.connect(('cache-1', 80))", True), ("getaddrinfo('store', 80)", True), ('HTTPConnection( "shop_db",  80)', True),
    ('connect("store")', False), ('connect("store", "shop")', False), ('login("store", 80)', False), ('connect(("other", 5258))', False), ('connect("me", "store", 5258)', False),
    ('connect(    (    "store",    80))', True), ('connect(         "store", 80)', False), (f'connect{"a" * 16}("store", 80)', True), (f'connect{"a" * 17}("store", 80)', False),
])
def test_both_show_the_container_that_a_call_asks(call: str, shown: bool, awk: tuple[str, ...]) -> None:
    """And in no other place of a call, nor a name that no container has."""
    files = [("log", TRACEBACK.format(call)), ("journal", f"{call} failed"), ("code", f"{call}\n")]
    assert differing(files, awk) == []
    assert [call in said.decode() for said in by_script(files, awk)] == [shown] * 3


@pytest.mark.parametrize(("kind", "text"), [
    ("argv", "app\0--key\0a\nletmein\0"), ("argv", "app\0--license\0WPi-letmein=\0"), ("code", "n = 7//2; k = 'let me in'\n"), ("code", 'k = "a \\\n let me in"\n'), ("code", "x = a /* 'let me in'\n"),
    ("log", "failed: \u043f\u0430\u0440\u043e\u043b\u044c=letmein"), ("log", "cannot connect to shop:letmein@tcp(127.0.0.1:3306)/shop"), ("log", "error pw: letmein"),
    ("log", "error {'\u5bc6\u78bc': 'letmein'}"), ("log", "error \u5bc6\u78bc\u662f letmein"), ("log", "error password: let me in"), ("log", "error DB_PASSWORD=environment-letmein"),
    ("log", "error 123456789:AAletmeinletmein"), ("nginx-log", '2026/11/28 11:00:00 [error] 7#7: *1 connect() failed, request: "GET /x?a=b;letmein HTTP/1.1"'),
    ("log", "timeout at /bot1234567890:AAfZ49m8fD2CW~letmein/getMe"), ("log", 'connect("me", "letmein") failed'),
])
def test_neither_shows_it(kind: str, text: str) -> None:
    """What one of them showed, each in its own way."""
    for said in (by_fixer(kind, text, Masks()), *by_script([(kind, text)])):
        assert b"letmein" not in said and b"me in" not in said
