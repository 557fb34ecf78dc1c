"""Tests of lab/lazy_module.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.lazy_module import lazy_module

NAME = "lab_lazy_sample"


def test_a_module_runs_with_the_first_use_and_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (tmp_path / f"{NAME}.py").write_text(f"open({str(ran)!r}, 'a').write('x')\nVALUE = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    module = lazy_module(NAME)
    assert not ran.exists()
    assert module.VALUE == 7 and lazy_module(NAME) is module and lazy_module(NAME).VALUE == 7
    assert ran.read_text() == "x"
    monkeypatch.delitem(sys.modules, NAME)


def test_a_module_that_is_not_installed_is_missed_at_once() -> None:
    with pytest.raises(ModuleNotFoundError, match="lab_never_there") as caught:
        lazy_module("lab_never_there")
    assert caught.value.name == "lab_never_there"


def test_a_module_in_use_is_the_same() -> None:
    assert lazy_module("sys") is sys
