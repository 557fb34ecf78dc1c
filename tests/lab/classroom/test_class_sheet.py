"""Tests of lab/classroom/class_sheet.py."""

from __future__ import annotations

import re

import pytest

from fixer.languages.choose_language import VARIABLE
from lab.classroom.class_sheet import clock, entrance, html_sheet, markdown_sheet

ONE = entrance("Ada <b>", "Nobody\n can log in.", page="http://127.0.0.1:20002", account=("jonas", "pw"),
               ssh="ssh -p 20001 root@127.0.0.1", token="abcd-efgh", host_key="SHA256:k", until=0.0,
               own_page="https://127.0.0.1:9/p")


def test_the_sheet_has_what_a_person_types() -> None:
    text = markdown_sheet("class-1", [ONE])
    assert text.startswith("# class-1\n\n## Ada <b>\n\n> Nobody can log in.\n")
    for typed in ("`http://127.0.0.1:20002/login`", "`ssh -p 20001 root@127.0.0.1`", "`abcd-efgh`", "`SHA256:k`",
                  "`https://127.0.0.1:9/p`", clock(0.0)):
        assert typed in text


def test_on_paper_each_person_has_a_page() -> None:
    page = html_sheet("class-1", [ONE, ONE])
    assert page.count("<section>") == 2 and "break-after:page" in page
    assert "Ada &lt;b&gt;" in page and "<b>" not in page
    assert "<code>abcd-efgh</code>" in page and "http-equiv" not in page and "src=" not in page


def test_the_sheet_is_in_the_trainers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "zh-TW")
    one = entrance("Ada", "x", page="http://127.0.0.1:20002", account=("jonas", "pw"), ssh="ssh", token="abcd-efgh",
                   host_key="SHA256:k", until=0.0, own_page="https://127.0.0.1:9/p")
    page, paper = html_sheet("class-1", [one]), markdown_sheet("class-1", [one])
    assert not re.search(r"[\u3400-\u9fff]:", paper)
    assert '<html lang="zh-TW">' in page and "<code>jonas</code>" in page
    assert [word for word in ("password", "token,", "ends", "Find out", "shell in") if word in page] == []
