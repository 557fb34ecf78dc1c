"""Modules of fixer.pyz from the bytecode of one Python version that is built into it: a run reads what it imports.

zipimport reopens the archive for every module and parses its directory in Python: 60 ms for one diagnosis."""

from __future__ import annotations

import _sre
import marshal
import sys
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False  # avoids the import of typing
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import CodeType, ModuleType
    from typing import TypeAlias
    from zipimport import zipimporter

    Place: TypeAlias = tuple[bool, int, int]


class _Spec(ModuleSpec):
    """A spec that knows of no file of bytecode: to work out its path takes as long as to find the module."""

    cached = None  # type: ignore[assignment]


class Memory:
    """A finder and loader: `modules` are name -> (is a package, where its marshalled code begins, its length), and
    `read` reads there; sources are in the archive. `patterns` says where the marshalled patterns of fixer.lazy.regex
    are, and is empty if another Python made them."""

    def __init__(
        self, modules: Mapping[str, Place], archive: zipimporter, place: str, read: Callable[[int, int], bytes],
        patterns: Sequence[int],
    ) -> None:
        self._modules = modules
        self._patterns = patterns
        self._read = read
        self._archive = archive
        self._place = place

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of one of our modules; its file is the source in the archive."""
        if name not in self._modules:
            return None
        folder = f"{self._place}/src/{name.replace('.', '/')}"
        package = self.is_package(name)
        spec = _Spec(name, self, origin=f"{folder}/__init__.py" if package else f"{folder}.py", is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [folder]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Use the default."""

    def exec_module(self, module: ModuleType) -> None:
        """Run its code."""
        exec(self.get_code(module.__name__), module.__dict__)
        if self._patterns and module.__name__ == "fixer.lazy.regex":
            module.take_ready(marshal.loads(self._read(*self._patterns)))

    def is_package(self, name: str) -> bool:
        """Return whether it is a package."""
        return self._modules[name][0]

    def get_code(self, name: str) -> CodeType:
        """Return its code."""
        _, start, length = self._modules[name]
        code: CodeType = marshal.loads(self._read(start, length))
        return code

    def get_source(self, name: str) -> str:
        """Return its source, which tracebacks show."""
        spec = self.find_spec(name)
        if spec is None or spec.origin is None:
            raise ImportError(name)
        return self.get_data(spec.origin).decode()

    def get_data(self, path: str) -> bytes:
        """Return a file in the archive."""
        return self._archive.get_data(path.removeprefix(f"{self._place}/"))

    def hook(self, path: str) -> Folder:
        """Return the finder that pkgutil uses for the modules of one of our folders."""
        prefix = f"{self._place}/src/"
        if not path.startswith(prefix):
            raise ImportError(path)
        return Folder(self._modules, path.removeprefix(prefix).replace("/", ".") + ".")


class Folder:
    """A package's folder as a path entry."""

    def __init__(self, modules: Mapping[str, Place], package: str) -> None:
        self._modules = modules
        self._package = package

    def find_spec(self, name: str, target: object = None) -> None:
        """Return None: the finder before this one knows every module of ours."""

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """Yield every module in it, and whether that is a package."""
        for name, (package, *_) in self._modules.items():
            rest = name.removeprefix(self._package)
            if rest != name and "." not in rest:
                yield prefix + rest, package


def install(
    modules: Mapping[str, Place], archive: zipimporter, place: str, *, engine: object, patterns: Sequence[int],
    read: Callable[[int, int], bytes],
) -> None:
    """Import our modules from the bytecode from now on; the archive is no longer on sys.path. `engine` identifies the
    one that the patterns were compiled for; `read` returns bytes of the file from a place on."""
    fits = engine == (_sre.MAGIC, _sre.CODESIZE, sys.byteorder)
    memory = Memory(modules, archive, place, read, patterns if fits else ())
    sys.meta_path.insert(0, memory)
    sys.path_hooks.insert(0, memory.hook)
    del sys.path[0]
