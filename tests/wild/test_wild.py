"""The comparison with a second reader: what public configurations have shown, and that it sees a difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixer.nginx.config import read_config
from tests.nginx import golden_cases
from tests.wild import compare
from tests.wild.__main__ import main
from tests.wild.compare import Tally, check_file
from tests.wild.second_reader import Torn, read_statements

TEXTS = [
    b"server { set $up 127.0.0.1; location / { uwsgi_pass $up:3031; } }",
    b"location ~ ^/api(/.*)$ { proxy_pass http://127.0.0.1:8080$1; }",
    b"location / { proxy_pass http://a; fastcgi_pass b:1; }\nlocation /c { memcached_pass d:1; }",
    b"location / {\n if ($a) { proxy_pass http://a; }\n limit_except GET { proxy_pass http://b; } }",
    b'location / { content_by_lua_block { local s = "}" -- }\n local t = [==[ } ]==] }\n proxy_pass "http://a;b"; }',
    b"http { server { location '/a b' { proxy_pass http://a\\;b; } } server { location ${x} { grpc_pass c:1; } } }",
    b"server {\r\n location / { # a } \r\n proxy_pass http://a; }\r\n}\r\n",
]


@pytest.mark.parametrize("text", [*TEXTS, *(case.read_bytes().split(b"#== ")[0] for case in sorted(golden_cases.CASES.glob("*.conf")))])
def test_both_readers_find_the_same_routes(text: bytes) -> None:
    tally = Tally()
    assert check_file(text, tally) == [] and tally.files == 1


def test_the_texts_are_compared() -> None:
    tally = Tally()
    for text in TEXTS:
        check_file(text, tally)
    assert (tally.torn, tally.routes) == (0, 9)


@pytest.mark.parametrize("text", [b"a {", b"a", b"}", b"a 'b'c;", b"a 'b", b"{ }", b"a_by_lua_block { } }", b"#" + b"x" * 4096 + b"\na;"])
def test_what_nginx_would_refuse_is_not_compared(text: bytes) -> None:
    with pytest.raises(Torn):
        read_statements(text)


def test_a_folder_is_read_and_a_difference_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "a.conf").write_bytes(TEXTS[0])
    (tmp_path / "b.png").write_bytes(b"\x89")
    (tmp_path / "torn.conf").write_bytes(b"server {")
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "2 files, 1 routes, 1 files that nginx would refuse; 0 wrong\n"
    monkeypatch.setattr(compare, "read_config", lambda files, main: replace(read_config(files, main), routes=()))
    assert main([str(tmp_path)]) == 1
    assert "a.conf: only the second reader: FoundRoute(server=0, location='/', kind='uwsgi_pass'" in capsys.readouterr().out
    monkeypatch.setattr(compare, "read_config", lambda files, main: 1 / 0)
    assert main([str(tmp_path)]) == 1 and "ZeroDivisionError" in capsys.readouterr().out
    assert main([]) == 2
