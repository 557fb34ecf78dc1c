"""Tests of fixer/redaction/config_files.py."""

from __future__ import annotations

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
