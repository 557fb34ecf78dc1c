"""Import of our modules from their bytecode, with less work a module than Python's own finder does.

A look imports some three hundred modules. Python's finder takes longer to find and check each than to run it: it lists
folders, tries suffixes and works out paths. Here the source's time and size are compared with those in the bytecode, as
Python compares them. Whatever is otherwise (no bytecode, an older one, another kind) is left to Python."""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from collections.abc import Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder, SourceFileLoader
from typing import TYPE_CHECKING

from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    import pkgutil  # with inspect, which it imports, 7 ms

if TYPE_CHECKING:
    from types import CodeType, ModuleType

_OF_PYTHON = (BuiltinImporter, FrozenImporter, PathFinder)
_HEAD = 16     # magic number, kind, time and size of the source
_MOST_AT_ONCE = 1 << 16     # more than any of ours
_BY_TIME = MAGIC_NUMBER + bytes(4)


class _Loader(SourceFileLoader):
    """Python's loader, with bytecode that has been read and checked."""

    def __init__(self, name: str, source: str, bytecode: bytes) -> None:
        super().__init__(name, source)
        self._bytecode = bytecode

    def exec_module(self, module: ModuleType) -> None:
        """Run the module; reload it as Python does."""
        if not self._bytecode:
            super().exec_module(module)
            return
        code: CodeType = marshal.loads(memoryview(self._bytecode)[_HEAD:])  # noqa: S302  Python's own bytecode of it
        self._bytecode = b""
        if code.co_filename != self.path:
            _fix_co_filename(code, self.path)
        exec(code, module.__dict__)  # noqa: S102


class QuickFinder:
    """A finder of the modules of fixer's folder."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return what Python's finder would return, None if bytecode cannot be used as it is."""
        if not name.startswith("fixer.") or type(path) is not list or len(path) != 1 or sys.pycache_prefix is not None:
            return None
        folder: str = path[0]
        stem = name.rpartition(".")[2]
        try:
            known = os.stat(source := f"{folder}/{stem}.py")  # noqa: PTH116  pathlib is slow to import
            package = False
        except OSError:
            folder, stem, package = f"{folder}/{stem}", "__init__", True
            try:
                known = os.stat(source := f"{folder}/__init__.py")  # noqa: PTH116
            except OSError:
                return None
        cached = f"{folder}/__pycache__/{stem}.{sys.implementation.cache_tag}.pyc"
        try:
            bytecode = _read(cached)
        except OSError:
            return None
        if bytecode[:_HEAD] != _BY_TIME + _four(int(known.st_mtime)) + _four(known.st_size):
            return None
        spec = ModuleSpec(name, _Loader(name, source, bytecode), origin=source, is_package=package)
        spec.has_location = True
        spec.cached = cached     # Python works it out otherwise
        if package:
            spec.submodule_search_locations = [folder]
        return spec


def _read(path: str) -> bytes:
    """Return what the file holds: a file object asks the kernel three times more."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = part = os.read(file, _MOST_AT_ONCE)
        while len(part) == _MOST_AT_ONCE:
            content += (part := os.read(file, _MOST_AT_ONCE))
    finally:
        os.close(file)
    return content


def _four(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "little")


def install() -> None:
    """Import quickly from now on if fixer lies in a folder and Python's bytecode of plain runs is meant. Other finders
    before Python's own stay before this one, which spares those of Python what they do not know."""
    first = next((at for at, finder in enumerate(sys.meta_path) if finder in _OF_PYTHON), None)
    loader = getattr(sys.modules["fixer"], "__loader__", None)
    if type(loader) is SourceFileLoader and not sys.flags.optimize and sys.implementation.cache_tag and (
            first is not None):
        sys.meta_path.insert(first, QuickFinder())


def modules_in(path: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the modules and packages of a package, sorted; `path` is its `__path__`. A folder without
    `__init__.py` holds at most stale bytecode."""
    try:
        files = [(folder, name) for folder in path for name in os.listdir(folder)]  # noqa: PTH208
    except OSError:  # inside a zip file
        return tuple(sorted(module.name for module in pkgutil.iter_modules(path)))
    return tuple(sorted({
        name.removesuffix(".py") for folder, name in files
        if (name.endswith(".py") and name != "__init__.py") or (
            os.path.exists(f"{folder}/{name}/__init__.py"))  # noqa: PTH110
    }))
