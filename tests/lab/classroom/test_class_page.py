"""Tests of lab/classroom/class_page.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.classroom import class_page
from lab.classroom.class_page import Place, missing_packages, page_address, place_of, start_page
from lab.classroom.class_record import ClassRecord, classes_folder
from lab.stack.authority import Certificate, save_certificate

RECORD = ClassRecord("class-1", "any", "127.0.0.1", 0.0, 60.0, page_port=8050)


def test_origins_have_a_port_unless_it_is_the_usual_one() -> None:
    assert Place("127.0.0.1", 8050).origins == ("http://127.0.0.1:8050", "http://localhost:8050")
    assert Place("192.0.2.1", 443, (Path("a"), Path("b"))).origins == ("https://192.0.2.1",)


def test_the_token_stands_behind_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    assert page_address(RECORD, "tok") == "http://127.0.0.1:8050/#tok"
    assert page_address(replace(RECORD, page_port=0), "tok") == ""
    save_certificate(classes_folder(), "class-1", Certificate("a", "b", "c"))
    assert page_address(RECORD, "tok") == "https://127.0.0.1:8050/#tok" and place_of(RECORD).certificate is not None


def test_without_its_packages_there_is_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_packages() == () and start_page(replace(RECORD, page_port=0)) is None
    monkeypatch.setattr(class_page, "find_spec", lambda name: None)
    assert missing_packages() == ("starlette", "uvicorn") and start_page(RECORD) is None
