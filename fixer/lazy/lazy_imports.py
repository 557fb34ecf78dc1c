"""`with lazy_imports():` around imports at the top of a module: what they name is imported at its first use.

For what most runs never need. Checkers and readers see plain imports. What is named may be a module, or a function of
one. A class or a constant is a stand-in like them, so it works in no `except`, no `isinstance` and no comparison."""

from __future__ import annotations

import builtins
from _thread import allocate_lock, get_ident
from importlib import import_module
from typing import Any

_one_block = allocate_lock()  # two threads that put back each other's `__import__` would lose the real one


class lazy_imports:  # noqa: N801  used like a function
    """Context manager: inside, `import` of this thread makes stand-ins and loads nothing."""

    def __enter__(self) -> None:
        _one_block.acquire()
        self._thread = get_ident()
        self._eager = builtins.__import__
        builtins.__import__ = self._import

    def __exit__(self, *_: object) -> None:
        builtins.__import__ = self._eager
        _one_block.release()

    def _import(self, name: str, *args: Any, **named: Any) -> Any:
        if get_ident() != self._thread:
            return self._eager(name, *args, **named)
        _, _, wanted, level = args  # what an import statement passes
        assert not level and (wanted or "." not in name), f"{name}: write `from package import module`"
        return _Names(name) if wanted else _LazyName(name)


class _Names:
    """What `from module import …` takes its names from."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> _LazyName:
        return _LazyName(self._module, name)


class _LazyName:
    """Stand-in for a module, or for what a module defines: a call or an attribute imports it."""

    __slots__ = ("_module", "_name")

    def __init__(self, module: str, name: str = "") -> None:
        self._module = module
        self._name = name

    def _find(self) -> Any:
        """Return what is meant. It is looked up each time, so that a replaced function is found; by an import, which
        waits for a thread that has loaded half of the module."""
        module = import_module(self._module)
        if not self._name:
            return module
        try:
            return getattr(module, self._name)
        except AttributeError:
            return import_module(f"{self._module}.{self._name}")

    def __call__(self, *args: object, **named: object) -> Any:
        return self._find()(*args, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)
