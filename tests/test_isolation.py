"""Tests of fixer/isolation.py, with modules in PYTHONPATH and in the current folder that have the names of real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixer.isolation import drop_foreign_paths, without_import_variables

ROOT = Path(__file__).resolve().parents[1]
# Not these: what Python itself imports for `-m` before any line of ours (importlib, contextlib), and fixer.
SHADOWED = ("__future__", "signal", "json", "re", "typer", "click", "dataclasses", "hashlib", "subprocess",
            "selectors", "threading", "tempfile", "datetime", "shlex", "socket", "tomllib", "gettext")
CODE = "import sys; from fixer.__main__ import main; sys.argv[0] = 'fixer'; sys.exit(main())"


@pytest.fixture
def shadows(tmp_path: Path) -> Path:
    """A folder with a module of each name, which says that it ran."""
    folder = tmp_path / "shadows"
    folder.mkdir()
    for name in SHADOWED:
        (folder / f"{name}.py").write_text(f"print('RAN {name}', flush=True); raise SystemExit(77)\n")
    return folder


@pytest.mark.parametrize("start", [("-m", "fixer"), ("-c", CODE)], ids=["module", "command"])
@pytest.mark.parametrize("command", ["--version", "causes"])
def test_no_module_of_a_variable_or_the_current_folder_is_imported(
    shadows: Path, start: tuple[str, ...], command: str,
) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{shadows}:{ROOT}"}
    done = subprocess.run([sys.executable, *start, command], cwd=shadows, env=environment, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and "RAN" not in done.stdout
    assert done.stdout.startswith("fixer ") if command == "--version" else "wrong-port" in done.stdout


def _site(user: str, *, used: bool) -> SimpleNamespace:
    return SimpleNamespace(USER_SITE=user, ENABLE_USER_SITE=used, getsitepackages=lambda: ["/usr/lib/packages"])


def test_a_folder_of_python_stays_whoever_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it is the current one, or a variable names it: Python lists each folder once."""
    library = str(Path(os.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", f"/usr/lib/packages:{library}")
    monkeypatch.setitem(sys.modules, "site", _site("/u", used=True))
    monkeypatch.setattr(sys, "path", [library, "/usr/lib/packages"])
    monkeypatch.chdir(library)
    drop_foreign_paths("/own")
    assert sys.path == [library, "/usr/lib/packages"]


def test_the_folder_of_fixer_stays_whoever_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    user = tmp_path / "user"
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}/named:{tmp_path}/own:")
    monkeypatch.setitem(sys.modules, "site", _site(str(user), used=True))
    monkeypatch.setattr(sys, "path", ["", f"{tmp_path}/named/", f"{tmp_path}/own", "/usr/lib/python3", str(user)])
    monkeypatch.chdir(tmp_path)
    drop_foreign_paths(f"{tmp_path}/own")
    assert sys.path == [f"{tmp_path}/own", "/usr/lib/python3"]


def test_a_user_site_that_python_does_not_use_is_no_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a virtual environment it may be the folder of the environment itself."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setitem(sys.modules, "site", _site("/u", used=False))
    monkeypatch.setattr(sys, "path", ["/u"])
    drop_foreign_paths("/own")
    assert sys.path == ["/u"]


def test_a_command_gets_no_variable_that_chooses_its_imports() -> None:
    given = {"PYTHONPATH": "/p", "PYTHONHOME": "/h", "PATH": "/bin", "PYTHONUNBUFFERED": "1"}
    assert without_import_variables(given) == {"PATH": "/bin", "PYTHONUNBUFFERED": "1"}
