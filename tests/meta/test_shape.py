"""script/shape holds its limits, each of its measures can fail, and CONTRIBUTING shows its table."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Every module under 40 lines, with the reason why it stays a module; those that a line more or less moves across too.
SHORT = {
    "fixer/analysis/selinux_denials.py": "several causes ask it, and it fits none of its neighbours",
    "fixer/app/plan_warnings.py": "one question, with its own tests: what a plan stops and what cannot come back",
    "fixer/app/undo.py": "one file a command",
    "fixer/apply/steps/selinux_step.py": "one file a kind of step",
    "fixer/diagnose/state_notes.py": "notes that need only the case: notes.py, with the others, has hardly a line left",
    "fixer/formats/folders.py": "parsers, observers and causes ask it, so it lies below all",
    "fixer/formats/numbers.py": "parsers and observers need it, so it lies below both",
    "fixer/hosts/docker_engine/engine_program.py": "what a run has chosen, and nothing else that keeps a state",
    "fixer/hosts/machine/prefetch.py": "its own module keeps the hosts free of a circle",
    "fixer/lazy/parse_cache.py": "one file a tool of the start-up",
    "fixer/lazy/regex.py": "one file a tool of the start-up",
    "fixer/model/capture.py": "a type that everything imports",
    "fixer/model/facts.py": "types that everything imports",
    "fixer/model/target.py": "a type that everything imports",
    "fixer/nginx/cache_file.py": "one format; who masks it and who asks for its page both read it",
    "lab/lazy_module.py": "start-up of quick commands; everything in lab may need it",
    "lab/scenario/word_lists.py": "data",
    "lab/trial/manifest.py": "two stages of a trial compare by it",
    "lab/verbs/hint.py": "one file a verb",
    "lab/verbs/reset.py": "one file a verb",
    "lab/verbs/show.py": "one file a verb",
    "lab/verbs/solve.py": "one file a verb",
}
SETTINGS = """
[[tool.importlinter.contracts]]
name = "floors"
type = "layers"
layers = ["fixer.app", "fixer.render | fixer.apply", "fixer.model"]

[[tool.importlinter.contracts]]
name = "rooms"
type = "layers"
containers = ["fixer.observe"]
layers = ["nginx : boot", "view"]
"""
CAUSE = "CAUSE = 1\n"


def load_shape() -> Any:
    """script/shape as a module; its name has no ending."""
    loader = SourceFileLoader("shape", str(ROOT / "script" / "shape"))
    spec = spec_from_loader("shape", loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules["shape"] = module        # dataclasses look their module up
    write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = write
    return module


shape = load_shape()


@pytest.fixture(scope="module")
def rows() -> list[Any]:
    """What is measured here."""
    measured: list[Any] = shape.measure(ROOT)
    return measured


def test_every_limit_holds(rows: list[Any]) -> None:
    assert [row for row in rows if row.value > row.limit] == []


def test_every_short_module_has_a_reason(rows: list[Any]) -> None:
    (short,) = (row.names for row in rows if row.title == "modules under 40 lines")
    assert set(short) <= set(SHORT)
    assert [name for name in SHORT if not (ROOT / name).exists()] == [], "a reason for a module that is gone"


def test_the_page_shows_the_table(rows: list[Any]) -> None:
    parts = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("<!-- shape -->")
    assert len(parts) == 3, "the table stands between two lines <!-- shape -->"
    assert parts[1].strip() == shape.table(rows, True), "put in what script/shape --markdown prints"


def measured(root: Path, files: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """The names behind each measure of a small tree."""
    for name, text in {"pyproject.toml": SETTINGS, "fixer/__init__.py": "", "lab/__init__.py": "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return {row.title: row.names for row in shape.measure(root)}


def test_a_tree_without_fault(tmp_path: Path) -> None:
    found = measured(tmp_path, {
        "fixer/app/run.py": "from fixer.model.plan import Plan\ndef f(): pass\n" + "#\n" * 40,
        "fixer/model/plan.py": "#\n" * 40,
        "tests/app/test_run.py": "",
    })
    assert {title: names for title, names in found.items() if names} == {}


@pytest.mark.parametrize(("title", "files", "names"), [
    ("circles of imports between files",
     {"fixer/a.py": "def f():\n    import fixer.b\n", "fixer/b.py": "try:\n    pass\nfinally:\n    from fixer import a\n"}, ("fixer.a fixer.b",)),
    ("circles of imports between files",
     {"fixer/a.py": "if TYPE_CHECKING:\n    import fixer.b\n", "fixer/b.py": "import fixer.a\n"}, ("fixer.a fixer.b",)),
    ("pairs of folders in `fixer` that import each other",
     {"fixer/x/a.py": "from fixer.x.y import c\n", "fixer/x/y/c.py": "", "fixer/x/y/d.py": "from .. import b\n", "fixer/x/b.py": "",
      "fixer/x/__init__.py": "", "fixer/x/y/__init__.py": ""}, ("fixer.x 1 > < 1 fixer.x.y",)),
    ("pairs of folders in `lab` that import each other",
     {"lab/x/a.py": "import lab.y.c\n", "lab/y/c.py": "", "lab/y/d.py": "import lab.x.b\n", "lab/x/b.py": ""}, ("lab.x 1 > < 1 lab.y",)),
    ("imports against the contract `floors`",
     {"fixer/app/a.py": "", "fixer/apply/b.py": "import fixer.app.a\nimport fixer.render.c\n", "fixer/render/c.py": "", "fixer/model/d.py": ""},
     ("fixer.apply.b > fixer.app.a", "fixer.apply.b > fixer.render.c")),
    ("imports against the contract `rooms`",
     {"fixer/observe/view/a.py": "import fixer.observe.boot.b\n", "fixer/observe/boot/b.py": "import fixer.observe.nginx.c\n",
      "fixer/observe/nginx/c.py": ""}, ("fixer.observe.view.a > fixer.observe.boot.b",)),
    ("imports of a cause by another cause",
     {"fixer/causes/one_up.py": CAUSE, "fixer/causes/two_up/__init__.py": CAUSE + "import fixer.causes.two_up.part\n",
      "fixer/causes/two_up/part.py": "from fixer.causes.one_up import f\n"}, ("fixer.causes.two_up.part > fixer.causes.one_up",)),
    ("helpers of one cause that lie outside its folder",
     {"fixer/causes/one_up.py": CAUSE + "import fixer.repairs.a\nimport fixer.repairs.c\n", "fixer/repairs/a.py": "import fixer.analysis.b\n",
      "fixer/analysis/b.py": "", "fixer/repairs/c.py": "", "fixer/app/d.py": "import fixer.repairs.c\n"},
     ("fixer.analysis.b serves fixer.causes.one_up", "fixer.repairs.a serves fixer.causes.one_up")),
    ("imports inside functions",
     {"fixer/a.py": "import os\nif os:\n    import re\ndef f():\n    import sys\n    if sys:\n        from re import sub\n"
                    "class A:\n    def f(self):\n        def g():\n            import os\n"},
     ("fixer/a.py:11", "fixer/a.py:5", "fixer/a.py:7")),
    ("modules that import more than 20 others",
     {**{f"fixer/x/m{n}.py": "" for n in range(21)}, "fixer/a.py": "".join(f"import fixer.x.m{n}\n" for n in range(21)),
      "fixer/b.py": "from fixer.x import " + ", ".join(f"m{n}" for n in range(20)) + "\nimport fixer.x.m3\n"}, ("fixer/a.py 21",)),
    ("basenames that occur more than once",
     {"fixer/a/same.py": "", "lab/same.py": "", "fixer/cli.py": "", "lab/cli.py": ""}, ("same 2",)),
    ("modules over 400 lines", {"fixer/a.py": "#\n" * 401, "fixer/nginx/directives.py": "#\n" * 401}, ("fixer/a.py 401",)),
    ("modules under 40 lines", {"fixer/a.py": "#\n" * 39, "fixer/b.py": "#\n" * 40, "fixer/__main__.py": ""}, ("fixer/a.py",)),
    ("modules without a test of their own",
     {"fixer/a.py": "def f(): pass\n", "fixer/x/b.py": "class B:\n    def f(self): pass\n", "fixer/x/c/__init__.py": "def f(): pass\n",
      "lab/y/d.py": "def f(): pass\n", "lab/e.py": "def f(): pass\n", "tests/x/test_b.py": "", "tests/lab/test_e.py": ""},
     ("fixer/a.py tests/test_a.py", "fixer/x/c/__init__.py tests/x/c/test_c.py", "lab/y/d.py tests/lab/y/test_d.py")),
])
def test_each_measure_can_fail(tmp_path: Path, title: str, files: dict[str, str], names: tuple[str, ...]) -> None:
    assert measured(tmp_path, files)[title] == names


def test_a_broken_limit_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shape, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["shape", "--list"])
    measured(tmp_path, {"fixer/a.py": "#\n" * 401})
    assert shape.main() == 1
    shown = capsys.readouterr().out
    assert "broken" in shown and "    fixer/a.py 401" in shown
    assert [row.title for row in shape.measure(tmp_path) if row.value > row.limit] == ["modules over 400 lines"]
