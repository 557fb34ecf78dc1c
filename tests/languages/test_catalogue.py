"""A catalogue gives a translation of today's English, else the English; a hostile file is refused."""

from __future__ import annotations

import pytest

from fixer.languages import catalogue
from fixer.languages.catalogue import Catalogue, Entry, digest, parse_entries, split_key

ZH = Catalogue("fixer.languages", "zh-TW")


def test_the_digest_is_of_the_words_and_not_of_their_lines() -> None:
    assert digest("one  two\n three") == digest("one two three") != digest("one two four")
    assert len(digest("")) == 8


def test_a_stale_or_missing_entry_falls_back_to_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "entries", lambda *_: {"healthy": Entry(digest("all is well"), "一切正常")})
    assert ZH.text("console/healthy", "all is well") == "一切正常"
    assert ZH.text("console/healthy", "all is well now") == "all is well now"
    assert ZH.text("console/other", "other") == "other"
    assert ZH.has("console/healthy", "all is well") and not ZH.has("console/healthy", "all is well now")


def test_a_name_may_hold_slashes_after_its_first_space() -> None:
    assert split_key("console/healthy") == ("console", "healthy")
    assert split_key("help/$ fixer diagnose compose://shop") == ("help", "$ fixer diagnose compose://shop")
    assert split_key("scenarios/wrong-port/wrong-port hints[0]") == ("scenarios/wrong-port", "wrong-port hints[0]")


def test_a_file_that_does_not_exist_has_no_entry() -> None:
    assert Catalogue("fixer.languages", "tlh").text("console/healthy", "healthy") == "healthy"


def test_an_entry_is_a_digest_and_a_text() -> None:
    assert parse_entries('"a" = { of = "12", text = "b" }') == {"a": Entry("12", "b")}
    with pytest.raises(ValueError, match="a: an entry is"):
        parse_entries('a = "b"')
