"""Queries: the patterns for services leave out systemd's own and no others; a link is what it leads to."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from fixer.model.query import OTHER_UNITS, UNIT_PROPERTIES
from tests.causes.snapshot_builders import stat


@pytest.mark.parametrize(("name", "asked"), [
    ("nginx.service", True), ("shop.service", True), ("sshd.service", True), ("syslog.service", True),
    ("systemctl-x.service", True), ("systemdata.service", True), ("systemd-journald.service", False),
    ("systemd-.service", False), ("nginx.socket", False),
    ("s.service", True), ("sy.service", True), ("sys.service", True), ("system.service", True), ("systemd.service", True),
])
def test_which_services_are_asked_for(name: str, asked: bool) -> None:
    assert any(fnmatchcase(name, pattern) for pattern in OTHER_UNITS) is asked


def test_no_property_is_asked_for_twice() -> None:
    assert len(set(UNIT_PROPERTIES)) == len(UNIT_PROPERTIES)


def test_the_end_of_a_link_is_its_target() -> None:
    target = stat(mtime=9.0)
    assert stat(kind="link", target=target).end is target
    dangling, plain = stat(kind="link"), stat(target=target)
    assert dangling.end is dangling and plain.end is plain
