"""fixer.pyz: pure Python, bytecode for the Python versions at hand beside the sources, one clear line on an older Python."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fixer.causes import load_causes
from tests.built_files import built_pyz


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_pyz(tmp_path_factory.mktemp("dist"))


@pytest.mark.docker
def test_no_compiled_code_and_bytecode_for_this_python(pyz: Path) -> None:
    names = zipfile.ZipFile(pyz).namelist()
    assert not [n for n in names if n.endswith((".so", ".pyd", ".dylib"))]
    tag = "cp{}{}".format(*sys.version_info[:2])
    assert f"{tag}.bin" in names
    assert "src/fixer/cli.py" in names


@pytest.mark.docker
@pytest.mark.parametrize("bytecode", [True, False], ids=["memory", "sources"])
def test_modules_come_from_memory_or_from_the_sources(pyz: Path, tmp_path: Path, bytecode: bool) -> None:
    """Another Python than those at hand runs the sources; both find every cause, their data and their text."""
    archive = pyz
    if not bytecode:
        archive = tmp_path / "fixer.pyz"
        with zipfile.ZipFile(pyz) as whole, zipfile.ZipFile(archive, "w") as part:
            for name in whole.namelist():
                text = whole.read(name)
                part.writestr(name, re.sub(rb"TAGS = \{.*\}", b"TAGS = {}", text) if name == "__main__.py" else text)
    look = (
        "import atexit, sys; sys.argv = ['fixer.pyz', 'causes', '--json']\n"
        "def tell():\n"
        "    import inspect, fixer.hosts.machine.probe_protocol, fixer.causes.wrong_port as module\n"
        "    assert 'import socket' in fixer.hosts.machine.probe_protocol.program_source()\n"
        "    print(type(module.__spec__.loader).__name__, 'CAUSE' in inspect.getsource(module), file=sys.stderr)\n"
        f"atexit.register(tell); import runpy; runpy.run_path({str(archive)!r}, run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-I", "-c", look], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.stderr.split() == ["Memory" if bytecode else "zipimporter", "True"]
    found = {cause["id"] for cause in json.loads(run.stdout)["causes"]}
    assert found == {cause.id for cause in load_causes()}


@pytest.mark.docker
def test_a_file_that_was_moved_within_another_one_runs_its_sources(pyz: Path, tmp_path: Path) -> None:
    """The bytecode is not where the file says: nothing else is taken for it."""
    longer = tmp_path / "fixer.pyz"
    longer.write_bytes(b"#!/bin/sh\n" + pyz.read_bytes())
    look = (
        "import atexit, sys; sys.argv = ['fixer.pyz', '--version']\n"
        "atexit.register(lambda: print(type(sys.modules['fixer'].__spec__.loader).__name__, file=sys.stderr))\n"
        f"import runpy; runpy.run_path({str(longer)!r}, run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-I", "-c", look], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (run.stderr.split(), run.stdout[:5]) == (["zipimporter"], "fixer")


@pytest.mark.docker
def test_it_holds_the_catalogues_of_other_languages(pyz: Path, tmp_path: Path) -> None:
    for words in (("--lang", "zh-TW", "--help"), ("explain", "502", "--lang=zh-TW")):
        run = subprocess.run([sys.executable, "-I", str(pyz), *words], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert (run.returncode, "找出" in run.stdout) == (0, True), run.stderr


@pytest.mark.docker
def test_patterns_are_compiled_when_it_is_built(pyz: Path, tmp_path: Path) -> None:
    """A look compiles two hundred; here at most those of the standard library and those that a run puts together."""
    machine = Path(__file__).parents[1] / "observe/data/machine.tgz"
    look = (
        "import atexit, re._compiler, sys; made, compiled = re._compiler.compile, []\n"
        "def noted(pattern, flags=0):\n"
        "    compiled.append(pattern)\n"
        "    return made(pattern, flags)\n"
        "re._compiler.compile = noted\n"
        "def tell():\n"
        "    from fixer.lazy.regex import ready\n"
        "    print(len(ready), len(compiled), file=sys.stderr)\n"
        f"atexit.register(tell); sys.argv = ['fixer.pyz', 'diagnose', 'bundle:{machine}', '--json']\n"
        f"import runpy; runpy.run_path({str(pyz)!r}, run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-I", "-c", look], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert json.loads(run.stdout)["verdict"] == "degraded"
    ready, compiled = map(int, run.stderr.split())
    assert ready > 500 and compiled < 90, run.stderr


@pytest.mark.docker
def test_runs_as_one_file(pyz: Path, tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-I", str(pyz), "--version"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr
    causes = subprocess.run([sys.executable, "-I", str(pyz), "causes"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "wrong-port" in causes.stdout


# What Python 2 cannot read; a module that holds it ends with a SyntaxError there.
PYTHON_3_ONLY = (ast.Starred, ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.YieldFrom, ast.Await, ast.AsyncFunctionDef,
                 ast.Match, ast.TryStar, ast.MatMult)


@pytest.mark.docker
def test_an_older_python_gets_one_line(pyz: Path) -> None:
    main = zipfile.ZipFile(pyz).read("__main__.py").decode()
    code = "import sys; sys.version_info = (3, 9, 2)\n" + main
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert run.stderr.count("\n") == 1
    assert "3.9" in run.stderr
    newer = [node for node in ast.walk(ast.parse(main)) if isinstance(node, PYTHON_3_ONLY)
             or (isinstance(node, ast.Raise) and node.cause) or (isinstance(node, ast.arguments) and node.kwonlyargs)]
    assert [ast.unparse(node) for node in newer] == []      # what says it must be read first
    for older in filter(None, map(shutil.which, ("python2", "python2.7", "python3.6", "python3.8", "python3.10"))):
        run = subprocess.run([older, "-c", "import sys; print(sys.version_info < (3, 11))"], capture_output=True, text=True, check=False)
        if run.stdout == "True\n":
            run = subprocess.run([older, str(pyz)], capture_output=True, text=True, check=False)
            assert (run.returncode, run.stderr.count("\n")) == (3, 1), run.stderr


@pytest.mark.docker
def test_its_exit_code_is_the_commands(pyz: Path, tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-I", str(pyz), "diagnos"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("fixer: there is no command 'diagnos'")


# As a program it starts `python3 -I`: nothing that a variable, a home folder or the current folder holds is imported.
STARTUP = ("sitecustomize", "usercustomize", "importlib", "contextlib", "fixer", "signal", "json", "typer", "encodings")


@pytest.mark.docker
def test_as_a_program_it_runs_nothing_of_a_user(pyz: Path, tmp_path: Path) -> None:
    shadows, home = tmp_path / "shadows", tmp_path / "home"
    site = home / ".local/lib/python{}.{}/site-packages".format(*sys.version_info[:2])
    for folder in (shadows, site):
        folder.mkdir(parents=True)
        for name in STARTUP:
            (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\n")
    (site / "x.pth").write_text(f"import os; open({str(tmp_path / 'ran')!r}, 'a').write('pth')\n")
    environment = {"HOME": str(home), "PYTHONPATH": str(shadows), "PYTHONHOME": str(home), "PYTHONUSERBASE": str(home / ".local"),
                   "PATH": f"{Path(sys._base_executable).parent}:/usr/bin:/bin"}  # type: ignore[attr-defined]
    for words in (("--version",), ("causes",), ("history",)):
        run = subprocess.run([pyz, *words], capture_output=True, text=True, cwd=shadows, env=environment, check=False)
        assert (run.returncode, run.stderr) == (0, ""), run.stderr
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    environment["PATH"] = str(shadows)
    run = subprocess.run([pyz, "--version"], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 3 and "python3 is not installed" in run.stderr and run.stderr.count("\n") == 1
