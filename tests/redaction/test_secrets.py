"""Tests of fixer/redaction/secrets.py."""

from __future__ import annotations

import pytest

from fixer.redaction.secrets import is_secret_name, redact_text


@pytest.mark.parametrize("line", [
    'SIGNING_KEY = os.environ["SIGNING_KEY"]', "    TOKEN = os.getenv('TOKEN')", 'secret_key = environ.get("SECRET_KEY")',
])
def test_a_lookup_by_name_holds_no_secret(line: str) -> None:
    assert redact_text(line) == line


@pytest.mark.parametrize("line", [
    'SECRET_KEY = os.environ.get("SECRET_KEY", "hunter2")', 'SECRET_KEY = os.environ["A"]"hunter2"',
    'SECRET_KEY = os.environ.get("SECRET_KEY") or "hunter2"', 'SECRET_KEY = "hunter2"', "SECRET_KEY=os.environ['A'] SECRET_KEY=hunter2",
])
def test_but_what_stands_beside_it_may(line: str) -> None:
    assert "hunter2" not in redact_text(line)


@pytest.mark.parametrize(("line", "shown"), [
    ('Environment="SECRET_KEY=a b" "DEBUG=1"', 'Environment="SECRET_KEY=[redacted: SECRET_KEY]" "DEBUG=1"'),
    ("Environment=SECRET_KEY=a DEBUG=1", "Environment=SECRET_KEY=[redacted: SECRET_KEY] DEBUG=1"),
    ("DB_PASSWORD: a b c", "DB_PASSWORD: [redacted: DB_PASSWORD]"),
    ("export SECRET_KEY=a b", "export SECRET_KEY=[redacted: SECRET_KEY]"),
    ('{"password": "a", "port": 1}', '{"password": [redacted: password], "port": 1}'),
    ('"SECRET_KEY=a b', '"SECRET_KEY=[redacted: SECRET_KEY]'),
    ("  - API_TOKEN=abc", "  - API_TOKEN=[redacted: API_TOKEN]"),
    ("      DB_PASSWORD: 'a b'", "      DB_PASSWORD: [redacted: DB_PASSWORD]"),
    ('export APP_KEY="x\\"y"; run', "export APP_KEY=[redacted: APP_KEY]; run"),
    ("url: postgres://app:pw@db/x", "url: postgres://app:[redacted: password]@db/x"),
    ("DATABASE_URL=sqlite:///x", "DATABASE_URL=[redacted: DATABASE_URL]"),
    ("proxy_set_header Authorization $http_authorization;", "proxy_set_header Authorization $http_authorization;"),
    ('proxy_set_header Authorization "Basic abc";', "proxy_set_header Authorization [redacted: Authorization]"),
    ("Cookie: a=b; c=d", "Cookie: [redacted: Cookie]"),
    ("proxy_cookie_path / /x;", "proxy_cookie_path / /x;"),
    ("EnvironmentFile=/etc/app/secret.env", "EnvironmentFile=/etc/app/secret.env"),
    ("SECRET_KEY_FILE=/run/secrets/key", "SECRET_KEY_FILE=/run/secrets/key"),
    ("SECRET_KEY=", "SECRET_KEY="),
    ("keepalive_timeout 65;", "keepalive_timeout 65;"),
])
def test_redaction_by_name_and_shape(line: str, shown: str) -> None:
    assert redact_text(line) == shown
    assert redact_text(shown) == shown


def test_a_private_key_keeps_its_lines_and_loses_its_bytes() -> None:
    text = redact_text("a\n-----BEGIN PRIVATE KEY-----\nMIIabc\ndef\n-----END PRIVATE KEY-----\nb\n")
    assert text.count("\n") == 6 and "MII" not in text and text.endswith("\nb\n")


def test_names() -> None:
    assert is_secret_name("SECRET_KEY") and is_secret_name("app.api_key") and is_secret_name("SENTRY_DSN")
    assert not is_secret_name("PORT") and not is_secret_name("KEEPALIVE") and not is_secret_name("AUTHOR")


@pytest.mark.parametrize("line", [
    "server http://authelia:9091;", "upstream auth-service:8000", "/etc/nginx/snippets/authelia-location.conf:5",
    "/srv/token.py:12: return", "connect() to auth:80, refused",
])
def test_a_port_and_a_line_number_are_no_secret(line: str) -> None:
    assert redact_text(line) == line


@pytest.mark.parametrize("line", [
    "password:12345", "auth: 9091", "auth:hunter2", "AUTH_TOKEN:9091", "redis://token:12345@cache/0", "auth:123456",
    "/srv/secret_key:12ab",
])
def test_other_numbers_after_such_a_name_are_masked(line: str) -> None:
    assert "[redacted" in redact_text(line)
