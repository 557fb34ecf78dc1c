"""Tests of lab/page/access.py."""

from __future__ import annotations

import pytest

from lab.page.access import HEADERS, LOOK_ACTIONS, OWNER_ACTIONS, Access, Visitor

ACCESS = Access("owner-token", ("http://127.0.0.1:8050", "http://localhost:8050"), lambda: {"ada-token": "shop-1", "ben-token": "shop-2"})


@pytest.mark.parametrize(("header", "visitor"), [
    ("Bearer owner-token", Visitor()), ("Bearer ada-token", Visitor("shop-1")), ("Bearer ben-token", Visitor("shop-2")),
    ("Bearer owner-toke", None), ("Bearer ", None), ("", None), ("Basic owner-token", None), ("Bearer ada-token ", None), ("Bearer ä", None)])
def test_a_token_is_a_visitor(header: str, visitor: Visitor | None) -> None:
    assert ACCESS.visitor(header) == visitor


def test_a_person_has_the_own_lab_and_no_repair() -> None:
    ada = Visitor("shop-1")
    assert ada.may("look", "shop-1") and all(ada.may(action, "shop-1") for action in LOOK_ACTIONS)
    assert not any(ada.may(action, "shop-1") for action in ("plan", "apply", "undo", "reset"))
    assert not any(ada.may(action, "shop-2") for action in ("look", *OWNER_ACTIONS)) and not ada.may("look", "")
    assert all(Visitor().may(action, "shop-2") for action in ("look", *OWNER_ACTIONS)) and not Visitor().may("shell", "shop-2")


@pytest.mark.parametrize(("host", "origin", "site", "refused"), [
    ("127.0.0.1:8050", "", "", ""), ("localhost:8050", "http://localhost:8050", "same-origin", ""), ("127.0.0.1:8050", "", "none", ""),
    ("evil.example:8050", "", "", "name"), ("127.0.0.1:8051", "", "", "name"), ("", "", "", "name"), ("127.0.0.1", "", "", "name"),
    ("127.0.0.1:8050", "http://evil.example", "", "origin"), ("127.0.0.1:8050", "null", "", "origin"),
    ("127.0.0.1:8050", "https://127.0.0.1:8050", "", "origin"), ("127.0.0.1:8050", "", "cross-site", "site"),
    ("127.0.0.1:8050", "", "same-site", "site")])
def test_what_comes_from_elsewhere_is_refused(host: str, origin: str, site: str, refused: str) -> None:
    assert (refused in ACCESS.refusal(host, origin, site)) if refused else ACCESS.refusal(host, origin, site) == ""


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy and "frame-ancestors 'none'" in policy
