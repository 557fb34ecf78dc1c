"""Tests of fixer/redaction/nginx_words.py."""

from __future__ import annotations

import time

import pytest

from fixer.redaction.masks import Masks
from fixer.redaction.nginx_words import mask_nginx, mask_quoted, redact_nginx

SECRET = "hunter2hunter2"


def test_nginx_stays_the_same_configuration() -> None:
    data = (f'proxy_set_header Authorization "Basic {SECRET}"; proxy_set_header Cookie $http_cookie; '
            f"set $api_token {SECRET}; proxy_pass http://u:{SECRET}@h:80; add_header X-A b;\n").encode()
    said = redact_nginx(data)
    assert SECRET.encode() not in said and said.count(b";") == data.count(b";") and b"Cookie $http_cookie;" in said
    assert b"@h:80" in said


@pytest.mark.parametrize("head", ["proxy_set_header \"apassw", "set $", "fastcgi_param a-token", "add_header cookie", "map $http_token $a {"])
@pytest.mark.parametrize("part", ["0", "-", "$", " ", "passw", "set $a "])
def test_a_name_without_an_end_costs_its_length(head: str, part: str) -> None:
    began = time.process_time()
    redact_nginx((head + part * (40_000 // len(part))).encode())
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("line", [
    "proxy_set_header Authorization S;", "proxy_set_header X-Anything S;", "set $anything S;", "add_header X-A S;", "a_directive S;", "env S;",
    "fastcgi_param APP_KEY S;", "encrypted_session_key S;", "set ${token} S;", "auth_request_set $token S;", "sub_filter a S;", "return 200 S;",
    "proxy_set_body S;", "if ($http_x_any = S) {}", "map $host $any { default S; }", "geo $any { default S; }", "listen 80; # S", "# S",
])
@pytest.mark.parametrize("written", [SECRET, f'"a {SECRET}"', f"'{SECRET} b'"])
def test_an_argument_that_no_cause_reads_is_masked(line: str, written: str) -> None:
    said = redact_nginx(line.replace("S;", f"{written};").replace("S)", f"{written})").replace(" S", f" {written}").encode())
    assert SECRET.encode() not in said and b"[masked 1]" in said


@pytest.mark.parametrize("line", [
    "listen 127.0.0.1:80 default_server;", "server_name a.example *.b.example ~^c;", "proxy_pass http://app:8000/x/;", "proxy_read_timeout 60s;",
    "set $backend http://127.0.0.1:8000;", "proxy_set_header Host $host;", "proxy_set_header Connection \"\";", "error_page 502 504 /50x.html;",
    "location ~ \\.php$ {}", "if ($request_method = POST) {}", "return 301 https://$host$request_uri;", "map $host $pool { a.example 127.0.0.1:80; }",
    "log_format main '$remote_addr - \"$request\" rt=$request_time';", "try_files $uri $uri/ =404;", "# Ansible managed", "upstream a { server unix:/run/a.sock; }",
])
def test_what_causes_read_stays(line: str) -> None:
    assert redact_nginx(line.encode()) == line.encode()


def test_a_variable_that_names_an_upstream_block_stays() -> None:
    assert mask_nginx("set $pool blue;", Masks(frozenset(("blue",)))) == "set $pool blue;"


def test_equal_values_bear_one_number() -> None:
    said = mask_nginx("set $a alpha; set $b beta; set $c alpha;", Masks())
    assert said == 'set $a "[masked 1]"; set $b "[masked 2]"; set $c "[masked 1]";'


def test_a_quote_without_its_end_hides_no_statement_below_it() -> None:
    """What nginx refuses is found in a bundle as on the host."""
    text = f'proxy_pass "http://127.0.0.1:8000;\nproxy_set_header Host $host; # {SECRET}\nset $a {SECRET};\n'
    assert mask_nginx(text, Masks()).split("\n")[:2] == ['proxy_pass "http://127.0.0.1:8000;', "proxy_set_header Host $host; # [masked 1]"]


def test_the_writer_of_a_file_stays() -> None:
    """Who else writes a file decides how lasting a repair is; what else its comment holds is masked."""
    assert mask_nginx(f"# {{{{ ansible_managed }}}} {SECRET}", Masks()) == "# ansible_managed [masked 1]"


def test_a_variable_that_a_pass_leads_to_shows_what_it_names() -> None:
    """A name with a mistake in it is no upstream block, and is what the finding is about."""
    names = Masks(frozenset(("$back",)))
    assert mask_nginx("set $back shop_pol; set $other letmein;", names) == 'set $back shop_pol; set $other "[masked 1]";'
    assert mask_nginx("map $host $back { default blue; }", names) == "map $host $back { default blue; }"
    assert mask_quoted("set $back shop_pol;", Masks()) == "set $back shop_pol;" and "letmein" not in mask_quoted("set $token letmein;", Masks())


@pytest.mark.parametrize("said", ["2 files parsed without an error", "nginx is not running", "upstream a"])
def test_words_of_evidence_that_are_no_statement_stay(said: str) -> None:
    assert mask_quoted(said, Masks()) == said


def test_a_statement_below_an_unknown_word_is_read_as_what_it_is() -> None:
    assert mask_nginx("listen 80; oops\n  server_name a.example;\nset $a letmein;", Masks()) == 'listen 80; oops\n  server_name a.example;\nset $a "[masked 1]";'
