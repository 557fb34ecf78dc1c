"""The wheel: `fixer` with typer only, `lab` with its extra; without it `lab` says so in one line."""

from __future__ import annotations

import json
import os
import re
import site
import subprocess
import sys
import venv
from importlib.metadata import requires
from pathlib import Path

import pytest

from fixer import __version__
from tests.built_files import built_wheel

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "--python")


def _run(*argv: str | Path, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd=cwd, env={**os.environ, **more})


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a virtual environment that holds the wheel without its extra."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = built_wheel(folder)
    venv.create(folder / "env")      # with pip it takes twice as long; this environment's installs there too
    added = _run(*PIP, folder / "env/bin/python", "install", "-q", "--no-compile", wheel)
    assert added.returncode == 0, added.stderr
    return folder / "env/bin"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fixer_needs_typer_only_and_lab_names_its_extra(installed: Path) -> None:
    assert _run(installed / "fixer", "--version").stdout.startswith("fixer ")
    assert "By hand" in _run(installed / "fixer", "explain", "wrong-port").stdout
    assert "手動處理" in _run(installed / "fixer", "--lang", "zh-TW", "explain", "wrong-port").stdout
    packed = {path.name for path in installed.parent.glob("lib/*/site-packages/lab/languages/zh-TW/**/*.toml")}
    assert {"help.toml", "console.toml", "wrong-port.toml"} <= packed
    names = {line.split("==")[0].lower() for line in _run(*PIP, installed / "python", "freeze").stdout.splitlines()}
    assert {"badgateway", "typer"} <= {name.split(" @ ")[0] for name in names}, names
    assert names.isdisjoint({"httpx", "jsonschema", "docker", "testcontainers", "pytest"}), names
    refused = _run(installed / "lab", "list")
    assert refused.returncode == 3 and refused.stdout == ""
    first, second = refused.stderr.splitlines()
    assert first.startswith("lab: ") and "not installed" in first
    assert second == f"  in a virtual environment: pip install './badgateway-{__version__}-py3-none-any.whl[lab]'"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_beside_what_the_extra_names_the_wheel_gives_the_lab_and_the_fixture(installed: Path, tmp_path: Path) -> None:
    """The packages are those of this environment. That the extra brings them, ci.yml's steps show at night."""
    packages = os.pathsep.join(site.getsitepackages())
    listed = _run(installed / "lab", "list", PYTHONPATH=packages)
    assert (listed.returncode, listed.stdout) == (0, _run(sys.executable, "-m", "lab", "list").stdout), listed.stderr
    made = _run(installed / "lab", "new", "late-start", PYTHONPATH=packages)
    assert (made.returncode, made.stderr.splitlines()[1].strip()) == (2, "into a folder of your own: lab --scenarios DIR new late-start")
    told = _run(installed / "python", "-m", "pytest", "--fixtures", "-p", "no:cacheprovider", tmp_path, cwd=tmp_path, PYTHONPATH=packages)
    (line,) = [line for line in told.stdout.splitlines() if line.startswith("badgateway_lab ")]
    assert "site-packages/lab/pytest_plugin.py" in line and str(ROOT) not in line


def test_every_requirement_of_the_lab_is_in_its_extra() -> None:
    declared = [line for line in requires("badgateway") or [] if "extra ==" not in line]
    assert [re.split(r"[<>=]", line)[0] for line in declared] == ["typer"]


def test_every_page_names_the_wheel_so_that_pip_finds_it() -> None:
    """Within the quotes that an extra needs no shell replaces a `*`, and pip does not either."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    quoted = {name for page in pages for name in re.findall(r"'\./(badgateway-\S+?\.whl)\[", page.read_text("utf-8"))}
    assert quoted == {f"badgateway-{__version__}-py3-none-any.whl"}


def test_no_page_and_no_message_installs_a_name_from_an_index_that_is_not_ours() -> None:
    """Anybody may take a free name on an index; only a file that the reader has is safe to install as root."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("fixer/**/*.py"), *ROOT.glob("lab/**/*.py")]
    wrong = [path for path in paths if re.search(r"pipx? install (?:-\S+ )*badgateway", path.read_text("utf-8"))]
    assert not wrong


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_patterns_are_compiled_when_it_is_built(installed: Path) -> None:
    """As in fixer.pyz: of the two hundred of a look, only those of the standard library and of a run are compiled."""
    look = (
        "import re._compiler, sys; made, compiled = re._compiler.compile, []\n"
        "re._compiler.compile = lambda *words: compiled.append(words) or made(*words)\n"
        "from fixer import start; start.main(sys.argv[1:])\n"
        "from fixer.lazy.regex import ready; print(len(ready), len(compiled), file=sys.stderr)"
    )
    run = _run(installed / "python", "-I", "-c", look, "diagnose", f"bundle:{ROOT / 'tests/observe/data/machine.tgz'}", "--json")
    assert json.loads(run.stdout)["verdict"] == "degraded", run.stderr
    ready, compiled = map(int, run.stderr.split())
    assert ready > 500 and compiled < 90, run.stderr
