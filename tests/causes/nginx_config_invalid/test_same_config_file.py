"""When a copy plainly is a state of the same configuration file."""

from __future__ import annotations

import pytest

from fixer.causes.nginx_config_invalid.older_config import is_same_file

GOOD = b"upstream app { server 127.0.0.1:8000; }\nserver {\n listen 80;\n server_name shop.example;\n gzip on;\n}\n"


@pytest.mark.parametrize(("was", "now"), [
    (b"gzip on;", b"gzip on"), (b"gzip on;", b"gzipp on;"), (b" gzip on;\n}", b" gzip on;\n"), (b"shop.example;", b"shop.example"),
    (b"listen 80;", b"listen 80"), (b"server_name", b"servername"), (b"listen 80;", b"listen 80 defalt_server;"),
    (b"}\nserver", b"\nserver"), (b"gzip on;", b'gzip "on;'),
])
def test_a_mistake_does_not_hide_whose_file_it_is(was: bytes, now: bytes) -> None:
    assert was in GOOD and is_same_file(GOOD.replace(was, now), GOOD)


@pytest.mark.parametrize("older", [
    GOOD.replace(b"shop.example", b"blog.example"), GOOD.replace(b"shop.example", b"shop.example www.example"),
    GOOD.replace(b"listen 80", b"listen 8080"), GOOD.replace(b"upstream app", b"upstream other"), GOOD[:-3], b"", b"# server\n",
    GOOD.replace(b"gzip on;", b"gzip on"), b"gzip on;\n", b"\x1f\x8b\x08\x00{", GOOD + b"map $a $b { default 1; }\n",
])
def test_another_file_or_no_whole_one(older: bytes) -> None:
    assert not is_same_file(GOOD.replace(b"gzip on;", b"gzip on"), older)


PARAMETERS = (b"proxy_set_header Host $http_host;\nproxy_set_header X-Real-IP $remote_addr;\n"
              b"proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\nproxy_set_header X-Forwarded-Proto $scheme;\n")


@pytest.mark.parametrize(("was", "now"), [(b"$http_host;", b"$http_host"), (b"Host $", b"Host$"), (b"header X-R", b"heder X-R")])
def test_a_list_of_parameters_is_known_by_what_it_says(was: bytes, now: bytes) -> None:
    """As Debian's proxy_params, which names nothing of a site."""
    assert is_same_file(PARAMETERS.replace(was, now, 1), PARAMETERS)
    assert not is_same_file(PARAMETERS.replace(was, now, 1), b"proxy_set_header Host $http_host;\n")
    assert not is_same_file(PARAMETERS.replace(was, now, 1), b"gzip on;\ngzip_types text/css;\ngzip_vary on;\n")
    assert not is_same_file(PARAMETERS.replace(was, now, 1), PARAMETERS + b"server { listen 80; }\n")


def test_the_main_file_is_known_by_its_outermost_blocks() -> None:
    main = b"user www-data;\nevents { worker_connections 9; }\nhttp {\n gzip on;\n include sites-enabled/*;\n}\n"
    assert is_same_file(main.replace(b"gzip on;", b"gzip on"), main)
    assert is_same_file(main.replace(b"}\nhttp", b"\nhttp"), main)
    assert not is_same_file(main.replace(b"gzip on;", b"gzip on"), main + b"stream { }\n")
