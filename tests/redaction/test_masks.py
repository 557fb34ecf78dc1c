"""Tests of fixer/redaction/masks.py."""

from __future__ import annotations

import time

import pytest

from fixer.redaction.masks import Masks, is_random, known_words

RANDOM = "Zx9Kq7LmT4vB2nW8"


@pytest.mark.parametrize("word", [
    RANDOM, "kwtrbqzpdnvhgm", "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "550e8400-e29b-41d4-a716-446655440000", "109136764848070341", "ghp_abCD12efGH34ijKL56mnOP78qrST90uvWX",
])
def test_a_drawn_word(word: str) -> None:
    assert is_random(word)


@pytest.mark.parametrize("word", [
    "sites-enabled", "fastcgi_params", "x86_64-linux-gnu", "postgresql", "supervisorctl", "kubernetes", "proxy_read_timeout", "uvicorn_workers_UvicornWorker", "RuntimeError",
    "shop-3f2a", "python3", "lighttpd", "HTTPConnectionPool", "docker-compose", "ModuleNotFoundError", "2026-11-28T11", "www-data", "authentication",
])
def test_a_written_word(word: str) -> None:
    assert not is_random(word)


@pytest.mark.parametrize(("value", "shown"), [
    ("8000", "8000"), ("127.0.0.1:80", "127.0.0.1:80"), ("http://app:8000/x", "http://app:8000/x"), ("unix:/run/a.sock", "unix:/run/a.sock"), ("$host", "$host"), ("60s", "60s"), ("on", "on"),
    ("letmein", "[masked 1]"), ("a b", "[masked 1]"), ("123456", "[masked 1]"), ("[masked 7]", "[masked 7]"),
])
def test_a_value_is_shown_where_it_is_plain_or_an_address(value: str, shown: str) -> None:
    assert Masks().value(value) == shown


@pytest.mark.parametrize(("text", "shown"), [
    ("http://u:p@h/x", "http://[masked 1]@h/x"), ("http://me@corp.example:p@h/x", "http://[masked 1]@h/x"), ("amqps://u:a/b@mq/", "amqps://[masked 1]@mq/"), ("http://h/users/@me", "http://h/users/@me"),
    ("http://h:80/@me", "http://h:80/@me"), ("/x?a=b&page=2", "/x?a=[masked 1]&page=2"), ("/x%3Ftoken%3Dabc", "/x%3Ftoken%3D[masked 1]"), ("/bot1234567890:AAabcdefghijklmnop/x", "/bot[masked 1]/x"),
    ("shop:a:b@tcp(127.0.0.1:3306)/shop", "[masked 1]@tcp(127.0.0.1:3306)/shop"), (f"/x/{RANDOM}/y", "/x/[masked 1]/y"),
])
def test_parts_of_a_shown_text(text: str, shown: str) -> None:
    assert Masks().parts(text) == shown


def test_nothing_computed_from_a_value_stands_in_its_mark() -> None:
    masks = Masks()
    assert [masks.mark(value) for value in ("b", "a", "b")] == ["[masked 1]", "[masked 2]", "[masked 1]"]
    assert Masks().mark("a") == "[masked 1]"


@pytest.mark.parametrize("part", ["a", "A=", "?a=", "%26", "://", "@", "a:", "@tcp(", "1a", "-", "["])
def test_a_long_text_costs_its_length(part: str) -> None:
    began = time.process_time()
    Masks().parts(part * (60_000 // len(part)))
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("name", ["282dbca34d36", "br-282dbca34d36", "veth0a1b2c3"])
def test_names_that_docker_makes_of_an_id_are_shown(name: str) -> None:
    """A person reads a rule of the packet filter by them."""
    assert Masks().parts(f"-i {name} -j DROP", ids=True) == f"-i {name} -j DROP"
    assert Masks().parts(f"-i x{name}Q9 -j DROP", ids=True) != f"-i x{name}Q9 -j DROP"


def test_a_known_name_is_no_secret_wherever_it_stands() -> None:
    known = known_words(["t1d9b99a0desk_front", f"/srv/{RANDOM}/x.sock", "web"])
    masks = Masks(known=known)
    assert known == {"t1d9b99a0desk_front", "t1d9b99a0desk", RANDOM}
    assert masks.parts("connect t1d9b99a0desk-api-1 to t1d9b99a0desk_front") == "connect t1d9b99a0desk-api-1 to t1d9b99a0desk_front"
    assert masks.value(RANDOM) == "[masked 1]"      # where only plain values are shown a name is none
    assert masks.address_parts("/x/Qm7Rt2Zk9Wp4Lb8X/") == "/x/%5Bmasked%202%5D/"
