"""Words of the command line, checked before anything is observed; no message shows a value."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from fixer.app.request import DiagnoseRequest, RepairRequest, check_url, parse_inputs, read_input_lines
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


def test_inputs_come_from_a_file_or_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inputs").write_text("A=1\n\nB=x=y z\n", encoding="utf-8")
    assert read_input_lines(str(tmp_path / "inputs")) == ["A=1", "B=x=y z"]
    monkeypatch.setattr("sys.stdin", io.StringIO("A=1\n"))
    assert parse_inputs(["B=2", *read_input_lines("-")]) == {"A": "1", "B": "2"}


@pytest.mark.parametrize(("data", "said"), [(b"A=1\nhunter2\n", "entry 2 has no ="), (b"\xff=hunter2", "not UTF-8"), (None, "cannot be read")])
def test_a_wrong_file_of_inputs_is_told_without_a_value(tmp_path: Path, data: bytes | None, said: str) -> None:
    if data is not None:
        (tmp_path / "inputs").write_bytes(data)
    with pytest.raises(UsageError, match=said) as caught:
        read_input_lines(str(tmp_path / "inputs"))
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
