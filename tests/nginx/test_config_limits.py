"""Configurations that no person wrote: what reading them may cost, and that what was not read is not called absent."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from fixer.model.nginx_config import NginxConfig
from fixer.nginx.config import read_config

MAIN = "/etc/nginx/nginx.conf"


def read(data: bytes) -> NginxConfig:
    return read_config({MAIN: data}, MAIN)


def test_the_first_of_very_many_problems_are_kept_and_cost_no_more_each_than_the_first() -> None:
    began = time.process_time()
    config = read(b"a;" * 50_000)
    assert time.process_time() - began < 3        # each looked through the whole line: 50,000 times 100,000 bytes
    assert 1 <= len(config.problems) <= 1000 and config.problems[0].message == 'unknown directive "a"'
    assert not config.cut


def test_what_nginx_comes_to_first_is_kept_though_it_was_noted_last() -> None:
    late = b"http { server { location / { return 200; } location / { return 200; } " + b"nonsense a;\n" * 2000 + b"} }"
    assert read(late).problems[0].kind == "duplicate-location"


def test_very_many_names_that_a_module_may_bring_do_not_hide_what_is_certain() -> None:
    config = read(b"load_module a.so;\n" + b"nonsense a;\n" * 3000 + b"include gone.conf;\n")
    assert [problem.kind for problem in config.problems if problem.fatal] == ["missing-include"]


@pytest.mark.parametrize(("head", "unit", "foot"), [
    (b"", b"a;", b""), (b"", b'"a";', b""), (b"", b"a ", b""), (b"", b"a{", b""), (b"http{map $a $b{", b"a b;", b"}}"),
    (b"http{server{", b"location /a{proxy_pass http://a;}", b"}}"), (b"http{", b"server{}", b"}"),
], ids=["directives", "quoted", "words", "blocks", "map", "locations", "servers"])
def test_more_than_can_be_held_is_cut_and_said(head: bytes, unit: bytes, foot: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixer.nginx.include.MOST_WORDS", 20_000)
    monkeypatch.setattr("fixer.nginx.proxied_locations.MOST_LOCATIONS", 2_000)
    tracemalloc.start()
    config = read(head + unit * 30_000 + foot)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert config.cut and peak < 24 << 20
    assert not read(head + unit * 20 + b"}" * (20 if unit == b"a{" else 0) + foot).cut
