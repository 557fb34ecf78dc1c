"""Words of the command line, checked before anything is observed; no message shows a value."""

from __future__ import annotations

import pytest

from fixer.app.request import DiagnoseRequest, RepairRequest, check_url, parse_inputs
from fixer.errors import UsageError


def test_values_may_hold_anything_but_line_breaks() -> None:
    assert parse_inputs(["A=1", "B=x=y z", "C="]) == {"A": "1", "B": "x=y z", "C": ""}
    assert parse_inputs(["A=1", "A=1"]) == {"A": "1"} and parse_inputs([]) == {}


@pytest.mark.parametrize(("words", "said"), [
    (["hunter2"], "no ="), (["=hunter2"], "no key"), ([" =hunter2"], "no key"), (["A\x1b=hunter2"], "no key"),
    (["A=hunter2\n"], "one line"), (["A=hunter2\0"], "one line"), (["A=hunter2", "A=hunter3"], "two different values"),
])
def test_wrong_inputs_are_told_without_their_value(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parse_inputs(words)
    assert "hunter" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("url", ["", "http://shop.example", "https://shop.example:8443/api?a=b", "http://[::1]:80/"])
def test_an_address_that_is_one_stays_as_it_is(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(("url", "said"), [
    ("shop.example", "http:// or https://"), ("ftp://shop.example", "http:// or https://"), ("http://", "http:// or https://"),
    ("http://shop:port/", "is not an address"), ("http://shop:70000/", "is not an address"), ("http://[::1/", "is not an address"),
    ("http://user@shop/", "no user"), ("http://shop/a b", "no user"), ("http://shop/\x1b[2J", "no user"),
])
def test_an_address_that_is_none(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_url(url)


@pytest.mark.parametrize(("yes", "most", "allowed"), [
    (False, None, "disruptive"), (True, None, "safe"), (True, "disruptive", "disruptive"), (False, "safe", "safe"),
])
def test_without_a_person_only_safe_repairs_are_allowed_untold(yes: bool, most, allowed: str) -> None:
    assert RepairRequest(DiagnoseRequest(), False, yes, most, None, {}).allowed_risk() == allowed
