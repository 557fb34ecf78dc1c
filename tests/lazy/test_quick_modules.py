"""Our modules come from Python's own bytecode, with the same attributes, and never from bytecode that is out of date."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import py_compile
import subprocess
import sys
import zipfile
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import pytest

import fixer
from fixer import causes, managers
from fixer.lazy import quick_modules
from fixer.lazy.quick_modules import QuickFinder, modules_in
from fixer.observe import managed

INVALIDATION = py_compile.PycInvalidationMode


def compiled(source: Path, mode: INVALIDATION = INVALIDATION.TIMESTAMP) -> Path:
    py_compile.compile(str(source), doraise=True, invalidation_mode=mode)
    return source


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "part").mkdir()
    (tmp_path / "one.py").write_text("def number():\n    return 1\n")
    (tmp_path / "part" / "__init__.py").write_text("number = 2\n")
    compiled(tmp_path / "one.py")
    compiled(tmp_path / "part" / "__init__.py")
    return tmp_path


def found(folder: Path, name: str) -> ModuleSpec | None:
    return QuickFinder().find_spec(name, [str(folder)])


@pytest.mark.parametrize("name", ["fixer.one", "fixer.part"])
def test_a_module_is_what_python_would_import(folder: Path, name: str) -> None:
    quick, usual = found(folder, name), PathFinder.find_spec(name, [str(folder)])
    assert quick is not None
    assert usual is not None
    for attribute in ("name", "origin", "cached", "has_location", "submodule_search_locations", "parent"):
        assert getattr(quick, attribute) == getattr(usual, attribute), attribute
    module, same = (importlib.util.module_from_spec(spec) for spec in (quick, usual))
    assert vars(module).keys() == vars(same).keys()
    assert quick.loader is not None
    quick.loader.exec_module(module)
    assert module.__file__ == same.__file__
    value = module.number if name == "fixer.part" else module.number()
    assert value == {"fixer.one": 1, "fixer.part": 2}[name]
    quick.loader.exec_module(module)     # as a reload does
    assert quick.loader.get_source(name)  # type: ignore[attr-defined]


def test_bytecode_of_any_length_is_read_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cached,) = (folder / "__pycache__").glob("one.*")
    whole = cached.read_bytes()
    for size in (7, len(whole) // 2, len(whole), len(whole) + 1):
        monkeypatch.setattr(quick_modules, "_MOST_AT_ONCE", size)
        assert quick_modules._read(str(cached)) == whole


def test_bytecode_from_another_folder_names_the_source_that_is_there(folder: Path) -> None:
    moved = folder.with_name("moved")
    folder.rename(moved)
    spec = found(moved, "fixer.one")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.number.__code__.co_filename == str(moved / "one.py")


def test_a_changed_source_is_left_to_python(folder: Path) -> None:
    source = folder / "one.py"
    known = source.stat()
    source.write_text("def number():\n    return 11\n")
    os.utime(source, (known.st_atime, known.st_mtime))
    assert found(folder, "fixer.one") is None        # another size
    source.write_text("def number():\n    return 3\n")
    os.utime(source, (known.st_atime, known.st_mtime + 5))
    assert found(folder, "fixer.one") is None        # another time


def test_bytecode_of_another_kind_is_left_to_python(folder: Path) -> None:
    compiled(folder / "one.py", INVALIDATION.CHECKED_HASH)
    assert found(folder, "fixer.one") is None
    (cached,) = (folder / "__pycache__").glob("one.*")
    compiled(folder / "one.py")
    whole = cached.read_bytes()
    cached.write_bytes(b"\0\0" + whole[2:])          # another version of Python
    assert found(folder, "fixer.one") is None
    cached.write_bytes(whole[:9])                    # torn
    assert found(folder, "fixer.one") is None
    cached.unlink()
    assert found(folder, "fixer.one") is None


def test_other_names_are_left_to_python(folder: Path) -> None:
    compiled(folder / "one.py")
    assert found(folder, "lab.one") is None
    assert found(folder, "fixer.missing") is None
    assert QuickFinder().find_spec("fixer.one", [str(folder), str(folder)]) is None
    assert QuickFinder().find_spec("fixer.one") is None


def test_bytecode_elsewhere_is_left_to_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", "/nowhere")
    assert found(folder, "fixer.one") is None


@pytest.mark.parametrize(("options", "quick"), [((), True), (("-O",), False)])
def test_a_command_imports_quickly(options: tuple[str, ...], quick: bool) -> None:
    code = "import sys, fixer.start; print('QuickFinder' in [type(f).__name__ for f in sys.meta_path])"
    place = str(Path(fixer.__path__[0]).parent)
    output = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True,
                            cwd=place).stdout
    assert output.strip() == str(quick)


@pytest.mark.parametrize("package", [causes, managers, managed], ids=lambda package: package.__name__)
def test_they_are_those_of_pkgutil(package) -> None:
    assert modules_in(package.__path__) == tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))


def test_what_is_no_module_is_left_out(tmp_path: Path) -> None:
    for name in ("one.py", "__init__.py", "notes.txt", "two/__init__.py", "three/__pycache__/x.pyc", "four/five.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert modules_in([str(tmp_path)]) == ("one", "two")


def test_those_in_a_zip_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("pack/__init__.py", "pack/one.py", "pack/two/__init__.py"):
            archive.writestr(name, "")
    assert modules_in([f"{tmp_path}/all.zip/pack"]) == ("one", "two")


def test_no_look_imports_inspect_for_it() -> None:
    code = ("import sys; from fixer.app import cause_catalogue; from fixer.observe import managed; "
            "assert cause_catalogue.all_judges() and managed._module_names(); print('inspect' in sys.modules, 'pkgutil' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False False\n"
