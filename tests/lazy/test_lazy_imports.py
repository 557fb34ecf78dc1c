"""Tests of fixer/lazy/lazy_imports.py."""

from __future__ import annotations

import builtins
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from fixer.lazy.lazy_imports import lazy_imports

PACKAGE = "lazy_sample"


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package with a module, that notes in a file what has been loaded."""
    folder = tmp_path / PACKAGE
    folder.mkdir()
    note = "from pathlib import Path\nopen(Path(__file__).parents[1] / 'loaded', 'a').write(__name__ + ' ')\n"
    (folder / "__init__.py").write_text(note + "def double(n: int, *, more: int = 0) -> int:\n    return 2 * n + more\n")
    (folder / "part.py").write_text(note + "VALUE = 7\ndef half(n: int) -> float:\n    return n / 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "loaded"
    for name in (PACKAGE, f"{PACKAGE}.part"):
        sys.modules.pop(name, None)


def loaded(code: str) -> ModuleType:
    """A module with this code, whose imports are lazy."""
    module = ModuleType("user")
    exec(f"from fixer.lazy.lazy_imports import lazy_imports\nwith lazy_imports():\n    {code}\n", module.__dict__)
    return module


@pytest.mark.parametrize(("code", "use", "modules"), [
    (f"from {PACKAGE} import double", lambda user: user.double(3, more=1) == 7, PACKAGE),
    (f"from {PACKAGE} import double as twice", lambda user: user.twice(3) == 6, PACKAGE),
    (f"from {PACKAGE} import part", lambda user: user.part.VALUE == 7, f"{PACKAGE} {PACKAGE}.part"),
    (f"from {PACKAGE}.part import half", lambda user: user.half(3) == 1.5, f"{PACKAGE} {PACKAGE}.part"),
    (f"import {PACKAGE}", lambda user: user.lazy_sample.double(2) == 4, PACKAGE),
])
def test_what_is_named_is_loaded_at_its_first_use(package: Path, code: str, use: object, modules: str) -> None:
    user = loaded(code)
    assert not package.exists()
    assert use(user) and use(user)
    assert package.read_text().split() == modules.split()


def test_a_function_that_is_replaced_later_is_found(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = loaded(f"from {PACKAGE} import double")
    assert user.double(1) == 2
    monkeypatch.setattr(sys.modules[PACKAGE], "double", lambda n: -n)
    assert user.double(1) == -1


def test_what_is_not_there_is_missed_at_its_use(package: Path) -> None:
    user = loaded(f"from {PACKAGE} import gone")
    with pytest.raises(ModuleNotFoundError, match=rf"{PACKAGE}\.gone"):
        user.gone()


@pytest.mark.parametrize("code", [f"import {PACKAGE}.part", "from . import part"])
def test_an_import_that_binds_another_name_is_refused(package: Path, code: str) -> None:
    with pytest.raises(AssertionError, match="from package import module"):
        loaded(code)
    assert builtins.__import__.__module__ == "builtins"


def test_imports_are_as_before_after_the_block_and_after_an_error(package: Path) -> None:
    before = builtins.__import__
    with pytest.raises(ZeroDivisionError), lazy_imports():
        raise ZeroDivisionError
    assert builtins.__import__ is before
    exec(f"import {PACKAGE}", {})
    assert package.read_text().split() == [PACKAGE]


def test_the_imports_of_other_threads_load_at_once(package: Path) -> None:
    with lazy_imports():
        other = threading.Thread(target=exec, args=(f"import {PACKAGE}", {}))
        other.start()
        other.join()
        assert package.read_text().split() == [PACKAGE]


def test_a_block_waits_for_that_of_another_thread() -> None:
    before, order = builtins.__import__, []

    def enter() -> None:
        with lazy_imports():
            order.append("second")

    with lazy_imports():
        other = threading.Thread(target=enter)
        other.start()
        order.append("first")
    other.join()
    assert order == ["first", "second"] and builtins.__import__ is before


def test_a_use_waits_for_another_thread_that_has_loaded_half_of_the_module(
    package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, heard = threading.Event(), threading.Event(), list[object]()
    monkeypatch.setattr(builtins, "lazy_sample_events", (begun, go), raising=False)
    (package.parent / PACKAGE / "slow.py").write_text(
        "import builtins\nbegun, go = builtins.lazy_sample_events\nbegun.set()\ngo.wait(9)\n"
        "def late() -> str:\n    return 'whole'\n")
    user = loaded(f"from {PACKAGE}.slow import late")

    def call() -> None:
        try:
            heard.append(user.late())
        except (AttributeError, ImportError) as error:
            heard.append(error)

    first = threading.Thread(target=call)
    first.start()
    assert begun.wait(9)
    second = threading.Thread(target=call)
    second.start()
    second.join(0.3)        # half of the module is there now: this one must not have used it
    early = list(heard)
    go.set()
    first.join()
    second.join()
    sys.modules.pop(f"{PACKAGE}.slow", None)
    assert not early and heard == ["whole", "whole"]
