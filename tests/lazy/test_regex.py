"""A pattern that is compiled when it is used is the pattern."""

from __future__ import annotations

import _sre  # type: ignore[import-not-found]
import marshal
import re
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest

from fixer.lazy import regex as module
from fixer.lazy.regex import Compiled, regex, up_to_first
from fixer.redaction import allowed


def test_it_is_the_pattern() -> None:
    pattern = regex(r"(?P<word>[a-z]+)\d", re.IGNORECASE)
    for _ in range(2):
        found = pattern.search("1 Ab2")
        assert found is not None
        assert found["word"] == "Ab"
        assert pattern.sub("-", "Ab2c") == "-c"
    assert pattern.groupindex == {"word": 1}
    assert regex(rb"\d").findall(b"a1b2") == [b"1", b"2"]


def test_it_is_compiled_when_it_is_used() -> None:
    broken = regex("(")
    with pytest.raises(re.error):
        broken.match("a")


def test_it_has_what_a_pattern_has_and_no_more() -> None:
    with pytest.raises(AttributeError):
        regex("a").other  # type: ignore[attr-defined]  # noqa: B018


def test_a_line_is_read_up_to_its_first_head() -> None:
    pattern = regex(up_to_first("open ") + "(.*) failed")
    found = pattern.search("one\ntwo open a open b failed failed")
    assert found is not None
    assert found[1] == "a open b failed"
    assert pattern.search("open a\nfailed") is None


def compiled_form(pattern: str | bytes, flags: int) -> Compiled:
    """What `re` itself hands to its engine, as a build of fixer.pyz keeps it."""
    heard: list[tuple[Any, ...]] = []

    class Engine:
        def __getattr__(self, name: str) -> Any:
            return getattr(_sre, name)

        def compile(self, *words: Any) -> Any:
            heard.append(words)
            return _sre.compile(*words)  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(re._compiler, "_sre", Engine())  # type: ignore[attr-defined]
        re._compiler.compile(pattern, flags)  # type: ignore[attr-defined]
    ((_, final, code, groups, index, names),) = heard
    return int(final), array("I", code).tobytes(), groups, dict(index), tuple(names)


@pytest.mark.parametrize(("pattern", "flags", "text"), [
    (r"(?P<word>[a-zé]+)\d", re.IGNORECASE, "É1 Ab2"), (rb"(?:^|;)[ \t]*(\w+)", re.MULTILINE, b"a;\n b"), (r"", 0, "x"),
    (r"(?>a|ab)(?:c++)|(?<!x)y(?=z)", 0, "abcc yz"), (r"(?m:^)(?>.*?open )(.*) failed", 0, "one\ntwo open a failed"),
])
def test_a_ready_pattern_is_the_one_that_re_compiles(pattern: Any, flags: int, text: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ready", {})
    module.take_ready({(pattern, flags): compiled_form(pattern, flags)})
    monkeypatch.setattr(re, "compile", None)      # nothing is compiled
    ready = regex(pattern, flags)
    found = [(match.span(), match.groups(), match.groupdict(), match.lastgroup) for match in ready.finditer(text)]
    monkeypatch.undo()
    plain = re.compile(pattern, flags)
    assert found == [(match.span(), match.groups(), match.groupdict(), match.lastgroup) for match in plain.finditer(text)]
    assert (ready.pattern, ready.flags, ready.groups, dict(ready.groupindex)) == (plain.pattern, plain.flags, plain.groups, dict(plain.groupindex))


def test_another_flag_is_another_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ready", {("a", 0): compiled_form("b", 0)})
    assert regex("a").match("b") and regex("a", re.IGNORECASE).match("A") and regex(b"a").match(b"a")


@pytest.mark.parametrize(("engine", "used"), [((_sre.MAGIC, _sre.CODESIZE, sys.byteorder), True), ((1, 4, "big"), False)])
def test_patterns_beside_the_module_are_used_if_this_engine_made_them(
    tmp_path: Path, engine: tuple[int, int, str], used: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ready", {})
    of_b = (re.compile("b").flags, array("I", re._compiler._code(re._parser.parse("b"), 0)).tobytes(), 0, {}, (None,))  # type: ignore[attr-defined]
    name = "patterns-cp{}{}.bin".format(*sys.version_info[:2])
    (tmp_path / name).write_bytes(marshal.dumps((engine, {("a", 0): of_b})))
    module.take_ready_beside(str(tmp_path / "regex.py"))
    assert bool(regex("a").search("b")) is used
    module.take_ready_beside(str(tmp_path / "elsewhere" / "regex.py"))
    assert bool(module.ready) is used, "a folder without the file changes nothing"


@pytest.mark.parametrize("content", [b"", b"\x01\x02", marshal.dumps(7), marshal.dumps(("engine", {}))[:-3]], ids=["empty", "other", "number", "cut"])
def test_a_torn_file_of_patterns_costs_time_only(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full while the package was unpacked: what is not there is compiled where it is used."""
    monkeypatch.setattr(module, "ready", {})
    name = f"patterns-{sys.implementation.cache_tag.replace('cpython-', 'cp')}.bin"     # type: ignore[union-attr]
    (tmp_path / name).write_bytes(content)
    module.take_ready_beside(str(tmp_path / "regex.py"))
    assert module.ready == {}


def test_a_build_compiles_every_pattern_of_a_module(tmp_path: Path) -> None:
    """Those of the table of what a bundle shows, too: they are filled in at first use."""
    made = tmp_path / "patterns.bin"
    root = Path(module.__file__).parents[2]
    subprocess.run([sys.executable, root / "script" / "compiled_patterns.py", root, made], check=True)
    _, patterns = marshal.loads(made.read_bytes())
    assert {(allowed.pattern("OPTION"), 0), (allowed.pattern("TELLING"), int(re.IGNORECASE))} <= patterns.keys()
    assert patterns[r"[A-Za-z_]\w*", 0] == compiled_form(r"[A-Za-z_]\w*", 0), "a pattern of a module"
