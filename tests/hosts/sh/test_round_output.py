"""Tests of fixer/hosts/sh/round_output.py."""

from __future__ import annotations

from fixer.hosts.sh import round_output

P = b"//././/."


def test_links_with_targets_that_hold_arrows_and_lines() -> None:
    listing = (
        b"lrwxrwxrwx 1 0 0 7 Nov 24 15:02 " + P + b"/l1 -> a -> b\nlrwxrwxrwx 1 0 0 7 Nov 24 15:02 x -> y\n"
        b"lrwxrwxrwx 1 0 0 9 Nov 24 15:02 " + P + b"/l2 -> c\n-rw-r--r-- 1 0 0 9 Nov 24 15:02 " + P + b"/f -> z\n"
        b"lrwxrwxrwx 1 0 0 9 Nov 24 15:02 " + P + b"/l3\n"
    )
    assert round_output.split_links(listing, P) == {
        "/l1": "a -> b\nlrwxrwxrwx 1 0 0 7 Nov 24 15:02 x -> y", "/l2": "c", "/l3": None,
    }


def test_stat_by_ls_where_there_is_no_stat() -> None:
    listing = b"  77 -rwsr-x--T 2 10 20 512 Nov 24 15:02 " + P + b"/a b\n 78 crw--w---- 1 0 5 136, 0 Nov 24 15:02 " + P + b"/t\n"
    found = round_output.split_ls_stats(listing, P)
    assert (found["/a b"].mode, found["/a b"].uid, found["/a b"].gid, found["/a b"].size) == (0o5750, 10, 20, 512)
    assert found["/t"].kind == "device"


def test_real_paths_only_when_none_is_missing() -> None:
    assert round_output.split_real_paths(b"/a\0\0", ["/x", "/y"]) == {"/x": "/a"}
    assert round_output.split_real_paths(b"/a\0", ["/x", "/y"]) == {}
