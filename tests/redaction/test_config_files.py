"""Tests of fixer/redaction/config_files.py."""

from __future__ import annotations

import time

import pytest

from fixer.redaction.config_files import redact_nginx, redact_yaml

SECRET = "hunter2hunter2"


@pytest.mark.parametrize("body", [
    f"    environment:\n      KEY: {SECRET}\n      PORT: 80\n    image: x\n", f"    environment:\n    - KEY={SECRET}\n    - PORT=80\n    image: x\n",
    f"    environment: {{KEY: {SECRET}, PORT: 80}}\n    image: x\n", f'    environment:\n      KEY: "{SECRET}"  # note\n      PORT: 80\n    image: x\n',
    f'    environment: ["KEY={SECRET}", "PORT=80"]\n    image: x\n',
])
def test_compose_files(body: str) -> None:
    said = redact_yaml(f"services:\n  a:\n{body}    command: run --port 80\n".encode())
    assert SECRET.encode() not in said and b"image: x" in said and b"80" in said and b"command: run --port 80" in said


def test_a_value_from_outside_stays_in_a_compose_file() -> None:
    data = b"services:\n  a:\n    environment:\n      KEY: ${KEY:?}\n      NOTHING:\n    x: 1\n"
    assert redact_yaml(data) == data


def test_nginx_stays_the_same_configuration() -> None:
    data = (f'proxy_set_header Authorization "Basic {SECRET}"; proxy_set_header Cookie $http_cookie; '
            f"set $api_token {SECRET}; proxy_pass http://u:{SECRET}@h:80; add_header X-A b;\n").encode()
    said = redact_nginx(data)
    assert SECRET.encode() not in said and said.count(b";") == data.count(b";") and b"Cookie $http_cookie;" in said
    assert b"@h:80;" in said and b"add_header X-A b;" in said


@pytest.mark.parametrize("head", ["proxy_set_header \"apassw", "set $", "fastcgi_param a-token", "add_header cookie", "map $http_token $a {"])
@pytest.mark.parametrize("part", ["0", "-", "$", " ", "passw", "set $a "])
def test_a_name_without_an_end_costs_its_length(head: str, part: str) -> None:
    began = time.process_time()
    redact_nginx((head + part * (40_000 // len(part))).encode())
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "X-CDN-Auth", "$password", "a_passw9", "X-Sig-Signature-2"])
def test_a_secret_name_hides_its_value(name: str) -> None:
    assert redact_nginx(f"proxy_set_header {name} {SECRET};".encode()).endswith(b' "[redacted: value]";')


@pytest.mark.parametrize("line", ["set $passage north;", "fastcgi_param X-KEY-1 v;", "proxy_set_header X-Author me;"])
def test_another_name_does_not(line: str) -> None:
    assert redact_nginx(line.encode()) == line.encode()
