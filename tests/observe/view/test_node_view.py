"""Tests of fixer/observe/view/node_view.py."""

from __future__ import annotations

from tests.observe.capture_builders import file, view


def test_the_name_servers_of_a_node_are_known_once_its_file_is_read() -> None:
    assert view(file("/etc/resolv.conf", "nameserver 10.0.2.3\n")).name_servers == ("10.0.2.3",)
    assert view().name_servers == ()
