"""Bytes made worse: cut, repeated, mixed, and sown with what parsers trip over. The same random numbers, the same bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

LARGEST = 1 << 14      # bytes of an input
NASTY_BYTES: tuple[bytes, ...] = (
    b"\0", b"\n", b"\r\n", b"\x1b[2J", b"\x9b31m", b"\xff", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc2\x85",
    b"\xd9\xa3", b"\xc2\xb2", b"\xe2\x91\xa0", b"'", b'"', b"\\", b";", b"{", b"}", b"[", b"]", b"(", b")", b"#", b"$", b"${", b"${A:-", b"%", b"%s", b"%i",
    b"-", b"--", b"-1", b"0", b"+1", b"9" * 40, b"9" * 5000, b"1e999", b"nan", b"inf", b"0x", b"65536", b"4294967296", b" ", b"\t", b":", b"::",
    b"[::1]:", b"unix:", b"unix:/", b"..", b"/", b"//", b"*", b"|", b"||", b"&", b"&&", b"`", b"$(", b"<<A\n", b">", b"!", b"?", b"=", b",", b"@", b"~",
    b"127.0.0.1:8000", b"upstream", b"server", b"location", b"proxy_pass", b"include *;", b"include /etc/nginx/nginx.conf;", b"map", b"if", b"x_by_lua_block",
    b"Environment=", b"ExecStart=", b"User=", b"- ", b": ", b"&a", b"*a", b"<<: *a", b"!!", b"|\n", b">\n", b"---\n", b"null", b"true", b"[]", b"{}",
    b", upstream: \"http://1.2.3.4/\"", b", client: ", b"KeyError: 'X'", b"Traceback (most recent call last):\n", b"[error]", b"1970/01/01 00:00:00",
)
ODD_VALUES: tuple[Any, ...] = (None, True, -1, 0, 1e308, 10**30, "", "x", "\x1b[0m", [], {}, [[]], {"": None}, ["x", 1, None], "9" * 5000, "1.2.3.4:99999999999")


def mutate(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One more input."""
    data = bytearray(random.choice(seeds))
    if data[:1] in (b"{", b"[") and random.random() < 0.5:
        worse = _mutate_json(random, bytes(data))
        if worse is not None:
            return worse[:LARGEST]
    for _ in range(1 + min(int(random.expovariate(0.7)), 12)):
        _mutate_once(random, data, seeds)
    return bytes(data[:LARGEST])


def _mutate_once(random: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    end = min(len(data), at + 1 + int(random.expovariate(0.08)))
    match random.randrange(9):
        case 0:
            data[at:at] = random.choice(NASTY_BYTES)
        case 1:
            data[at:end] = random.choice(NASTY_BYTES)
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = data[at:end] * random.choice((1, 2, 3, 50, 400))
        case 4:
            other = random.choice(seeds)
            start = random.randrange(len(other) + 1)
            data[at:end] = other[start : start + 1 + int(random.expovariate(0.01))]
        case 5 if data:
            data[at - 1] ^= 1 << random.randrange(8)
        case 6:
            del data[at:]
        case 7:
            del data[:at]
        case _:
            lines = data.split(b"\n")
            first, second = random.randrange(len(lines)), random.randrange(len(lines))
            lines[first], lines[second] = lines[second], lines[first]
            data[:] = b"\n".join(lines)


def _mutate_json(random: Random, data: bytes) -> bytes | None:
    """Valid JSON in which some value is another than it should be."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    for _ in range(random.choice((1, 1, 2, 5))):
        value = _replace_value(random, value, 12)
    return json.dumps(value).encode()


def _replace_value(random: Random, value: Any, depth: int) -> Any:
    """The value with one inner value replaced or gone; down to it on the way of chance."""
    if not isinstance(value, dict | list) or not value or not depth or random.random() < 0.12:
        return copy.deepcopy(random.choice(ODD_VALUES))
    key: Any = random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
    if random.random() < 0.05:
        del value[key]
    else:
        value[key] = _replace_value(random, value[key], depth - 1)
    return value
