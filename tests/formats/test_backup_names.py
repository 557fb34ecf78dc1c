"""What a copy that lies beside a file is called: an older state, a package's own, or what is not to be used."""

from __future__ import annotations

import pytest

from fixer.formats.backup_names import (
    backup_patterns,
    has_similar_name,
    is_backup_name,
    is_older_name,
    is_packaged_name,
    is_unused_name,
    original_name,
    original_path,
)


@pytest.mark.parametrize("end", [
    "~", ".~2~", ".bak", ".old", ".orig", ".save", ".dpkg-old", ".rpmsave", ".ucf-old", ".pacsave", ".bak-20260101",
    ".bak.2026-01-31", ".20260131", "-2026-01-31", "_20260131-1403", ".2026-01-31T14:03:59", ".1767225600", ".bak2", ".1",
    "-old", ".ORIG",
])
def test_names_of_older_states(end: str) -> None:
    assert is_older_name("shop.conf" + end, "shop.conf") and is_backup_name("shop.conf" + end, "shop.conf")
    assert original_name("shop.conf" + end) == "shop.conf" and not is_packaged_name("shop.conf" + end, "shop.conf")
    assert has_similar_name("shop.conf" + end, "shop.conf")


@pytest.mark.parametrize("end", [".dpkg-dist", ".rpmnew", ".ucf-dist", ".pacnew", ".default"])
def test_names_of_what_a_package_brings(end: str) -> None:
    assert is_packaged_name("nginx.conf" + end, "nginx.conf") and is_backup_name("nginx.conf" + end, "nginx.conf")
    assert original_name("nginx.conf" + end) == "nginx.conf" and not is_older_name("nginx.conf" + end, "nginx.conf")


@pytest.mark.parametrize("name", [
    "shop.conf", "shop.conf.new", "shop.conf.dpkg-new", "shop.conf.swp", "shop.conf-blog", "shop.conf.org",
    "shop.confbak", "shop.conf.bak.tmp", "myshop.conf.bak", "shop.conf.20261399", "shop.conf.bak\n", "shop.conf.123456",
    "shop.conf-default", "shop.conf.disabled",
])
def test_names_of_something_else(name: str) -> None:
    assert not is_backup_name(name, "shop.conf")


def test_a_name_with_anything_behind_it_is_worth_a_look() -> None:
    assert has_similar_name("shop.env.last-week", "shop.env") and has_similar_name("shop.env~", "shop.env")
    assert not any(has_similar_name(name, "shop.env") for name in ("shop.env", "shop.envy", "shop.env. x", "blog.env.bak"))


@pytest.mark.parametrize(("name", "aside"), [
    ("serve.bak", True), ("serve~", True), ("serve.disabled", True), ("serve.dpkg-dist", True), ("serve-old", True),
    ("serve.swp", True), ("serve", False), ("serve.sh", False), ("python3.9", False), ("python3.11", False),
    ("gunicorn-20.1", False), ("serve-20260131", True),
])
def test_programs_that_are_put_aside(name: str, aside: bool) -> None:
    """The number behind a program's name is its version; behind a file's it is what rotates copies."""
    assert is_unused_name(name, program=True) is aside
    assert is_unused_name("shop.conf.1") and not is_unused_name("shop.conf.1", program=True)


def test_the_place_of_what_a_copy_is_of() -> None:
    assert original_path("/etc/shop.env.bak-20260101") == "/etc/shop.env"
    assert original_path("/etc/shop.env") == "/etc/shop.env" and original_path("/srv/old.d/x") == "/srv/old.d/x"


def test_wildcards_of_a_name_stand_for_themselves() -> None:
    assert backup_patterns("/srv/*[1].conf")[0] == "/srv/[*][[]1].conf~"
    assert backup_patterns("/srv/a\\b") == ()
