"""The list of ignored findings on disk: replaced, removed, private, and never guessed at."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.app import ignore_list
from fixer.errors import CannotObserve, UsageError
from fixer.model.diagnosis import IgnoredFinding
from fixer.model.target import TargetRef

LOCAL, SHOP = TargetRef("local", ""), TargetRef("docker", "shop-web-1")
ONE = IgnoredFinding("aa01", "wrong-port", "/api", "moves on Friday", "ann", "2030-01-01")
OTHER = replace(ONE, id="bb02", where="/shop")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_what_was_added_is_read_again() -> None:
    assert ignore_list.load(LOCAL) == ()
    assert ignore_list.add(LOCAL, ONE) == (ONE,)
    assert ignore_list.add(LOCAL, OTHER) == (ONE, OTHER) == ignore_list.load(LOCAL)


def test_each_target_has_a_list_of_its_own() -> None:
    ignore_list.add(LOCAL, ONE)
    assert ignore_list.load(SHOP) == ()


def test_the_same_cause_at_the_same_place_is_replaced() -> None:
    newer = replace(ONE, id="cc03", because="moves on Monday")
    ignore_list.add(LOCAL, ONE)
    ignore_list.add(LOCAL, OTHER)
    assert ignore_list.add(LOCAL, newer) == (OTHER, newer)


def test_an_entry_is_removed_by_its_id() -> None:
    ignore_list.add(LOCAL, ONE)
    ignore_list.add(LOCAL, OTHER)
    with pytest.raises(UsageError, match="has the id zz"):
        ignore_list.remove(LOCAL, "zz")
    assert ignore_list.remove(LOCAL, "aa01") == (OTHER,) == ignore_list.load(LOCAL)


def test_the_file_is_for_its_owner_alone_and_nothing_is_left_beside_it(state: Path) -> None:
    ignore_list.add(LOCAL, ONE)
    names = {path.name: path.stat().st_mode & 0o777 for path in state.rglob("*") if path.is_file()}
    assert names.pop("accepted.json") == 0o600
    assert set(names) == {"accepted.lock"} and str(os.getpid()) not in "".join(names)


@pytest.mark.parametrize("data", [
    b"", b"[]", b"{}", b'{"accepted": {"a": 1}}', b'{"accepted": [1]}', b'{"accepted": [{"id": "a"}]}', b"\xff", b"[" * 100_000,
])
def test_what_is_no_list_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        ignore_list.parse_ignore_list(data)


def test_further_keys_do_not_hurt() -> None:
    fields = ("id", "cause", "where", "because", "owner", "until")
    entry = {**{name: getattr(ONE, name) for name in fields}, "new": 1}
    assert ignore_list.parse_ignore_list(json.dumps({"accepted": [entry], "version": 2}).encode()) == (ONE,)


def test_a_broken_file_is_named_and_stays(state: Path) -> None:
    ignore_list.add(LOCAL, ONE)
    (path,) = state.rglob("accepted.json")
    path.write_text("{")
    for attempt in (lambda: ignore_list.load(LOCAL), lambda: ignore_list.add(LOCAL, OTHER)):
        with pytest.raises(CannotObserve, match=r"accepted\.json is not a list"):
            attempt()
    assert path.read_text() == "{"


def test_a_new_id_is_one_that_nobody_has() -> None:
    taken = tuple(replace(ONE, id=f"{number:04x}") for number in range(0x10000) if number != 0xBEEF)
    assert ignore_list.new_id(taken) == "beef"
