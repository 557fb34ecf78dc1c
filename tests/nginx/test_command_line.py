"""Tests of fixer/nginx/command_line.py."""

from __future__ import annotations

import pytest

from fixer.nginx.command_line import command_in_title, path_options, starts_server


@pytest.mark.parametrize("words", [
    "nginx -t", "nginx -T", "nginx -v", "nginx -V", "nginx -h", "nginx -?", "nginx -s reload", "nginx -sreload", "nginx -q -t",
    "nginx -qt", "nginx -tc /etc/n.conf", "nginx -c /etc/n.conf -t", "nginx -p /srv -e /dev/null -T", "/opt/n/sbin/nginx -tq",
])
def test_a_test_a_signal_or_a_version_starts_no_server(words: str) -> None:
    assert not starts_server(words.split())


@pytest.mark.parametrize("words", [
    ["nginx"], ["nginx", "-c", "/t"], ["nginx", "-c", "-t"], ["nginx", "-c-t"], ["nginx", "-g", "daemon off;"], ["nginx", "-g", "-t"],
    ["nginx", "-p", "/srv/site-t"], ["nginx", "-e", "stderr", "-q"], ["nginx", "t"], [], ["nginx", ""], ["nginx", "-"],
])
def test_anything_else_starts_one(words: list[str]) -> None:
    assert starts_server(words)


@pytest.mark.parametrize(("words", "expected"), [
    ("nginx", {}), ("nginx -c /a.conf", {"-c": "/a.conf"}), ("nginx -c/a.conf -p .", {"-c": "/a.conf", "-p": "."}),
    ("nginx -tc a.conf", {"-c": "a.conf"}), ("nginx -c a -c b", {"-c": "b"}), ("nginx -c", {}),
    ("nginx -g daemon -e stderr", {"-e": "stderr"}), ("nginx -s reload -pfoo", {"-p": "foo"}),
])
def test_the_paths_of_a_command(words: str, expected: dict[str, str]) -> None:
    assert path_options(words.split()) == expected


@pytest.mark.parametrize(("title", "command"), [
    ("nginx: master process nginx -c /a.conf", ["nginx", "-c", "/a.conf"]), ("nginx: worker process", []), ("nginx -t", []), ("", []),
])
def test_the_command_in_a_title(title: str, command: list[str]) -> None:
    assert command_in_title(title) == command
