"""Golden configurations: routes, spans, problems; the cases lie in `cases/`, what is expected beside them."""

from __future__ import annotations

import tracemalloc

import pytest

from fixer.model.nginx_config import NginxConfig
from fixer.nginx.config import read_config
from tests.nginx import golden_cases
from tests.nginx.config_builders import read


@pytest.mark.parametrize("case", sorted(golden_cases.CASES.glob("*.conf")), ids=lambda case: case.stem)
def test_golden(case):
    files = golden_cases.files_of(case)
    config = read_config(files, golden_cases.MAIN)
    assert golden_cases.lines_of(config) == golden_cases.expected_file(case).read_text(encoding="utf-8").split("\n")[:-1]
    for span, text in golden_cases.spans_of(config):
        data = files[span.file]
        assert data[span.start : span.end].decode("utf-8", "backslashreplace") == text
        assert data.count(b"\n", 0, span.start) + 1 == span.line


def test_main_file_that_was_not_read():
    config = read_config({}, "/opt/nginx.conf")
    assert (config.missing, config.routes, config.problems, config.files) == (("/opt/nginx.conf",), (), (), ())


def test_stream_and_mail_are_left_alone():
    files = {golden_cases.MAIN: b"events {} stream { what ever; server { listen 1; proxy_pass x; } } http { }"}
    assert read_config(files, golden_cases.MAIN).problems == ()


def test_a_range_of_characters_that_is_none_matches_nothing():
    config = read(b"include [z-a].conf; include [b-].conf; include [^a].conf;", **{"b.conf": b"server { listen 7; }"})
    assert config.files.count("/etc/nginx/b.conf") == 1
    assert config.missing == ("/etc/nginx/[z-a].conf",)


def test_the_collector_is_left_as_it_was():
    import gc

    gc.disable()
    try:
        read(b"")
        assert not gc.isenabled()
    finally:
        gc.enable()
    read(b"")
    assert gc.isenabled()


@pytest.mark.parametrize(("data", "kinds"), [
    (b"\x00" * 50, ["unknown-directive", "unexpected"]),
    (b"http { server { listen; location { proxy_pass; set; map; return; } } upstream; }",
     ["arguments", "arguments", "arguments", "arguments", "not-allowed", "arguments", "unexpected"]),
    (b"http{upstream u{server;}}", ["arguments"]),
])
def test_rubbish_is_a_list_of_problems_and_no_route(data, kinds):
    config = read_config({golden_cases.MAIN: data}, golden_cases.MAIN)
    assert ([problem.kind for problem in config.problems], config.routes) == (kinds, ())
    assert all(problem.fatal and (problem.file, problem.line) == (golden_cases.MAIN, 1) for problem in config.problems)


# Configurations that no person wrote: what reading them may cost, and that what was not read is not called absent.
MAIN = "/etc/nginx/nginx.conf"


def config_limits_read(data: bytes) -> NginxConfig:
    return read_config({MAIN: data}, MAIN)


@pytest.mark.parametrize(("head", "unit", "foot"), [
    (b"", b"a;", b""), (b"", b'"a";', b""), (b"", b"a ", b""), (b"", b"a{", b""), (b"http{map $a $b{", b"a b;", b"}}"),
    (b"http{server{", b"location /a{proxy_pass http://a;}", b"}}"), (b"http{", b"server{}", b"}"),
], ids=["directives", "quoted", "words", "blocks", "map", "locations", "servers"])
def test_more_than_can_be_held_is_cut_and_said(head: bytes, unit: bytes, foot: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixer.nginx.include.MOST_WORDS", 20_000)
    monkeypatch.setattr("fixer.nginx.proxied_locations.MOST_LOCATIONS", 2_000)
    tracemalloc.start()
    config = config_limits_read(head + unit * 30_000 + foot)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert config.cut and peak < 24 << 20
    assert not config_limits_read(head + unit * 20 + b"}" * (20 if unit == b"a{" else 0) + foot).cut
