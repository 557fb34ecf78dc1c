"""Tests of fixer/formats/unit_file.py."""

from __future__ import annotations

from fixer.formats.unit_file import effective_lines, expand_specifiers, sandbox_paths, unit_lines

UNIT = b"""# comment \\
[Unit]
Description=x
[Service]
Environment=A=1
  ; another = comment
ExecStart=/usr/bin/uvicorn a:b \\
    --port 8000
junk
Environment=
Environment = B=2
[Install]
Environment=C=3
"""


def test_lines_of_a_unit_file_keep_their_offsets() -> None:
    lines = unit_lines("/u", UNIT)
    start = next(x for x in lines if x.key == "ExecStart")
    assert (start.line, start.section) == (7, "Service")
    assert UNIT[start.start : start.start + len(start.value)] == b"/usr/bin/uvicorn a:b \\\n    --port 8000"
    assert [x.value for x in lines if x.key == "Environment"] == ["A=1", "", "B=2", "C=3"]


def test_an_empty_assignment_takes_back() -> None:
    assert [x.value for x in effective_lines(unit_lines("/u", UNIT), "Environment")] == ["B=2"]


def test_a_file_without_an_end() -> None:
    assert [x.value for x in unit_lines("/u", b"[Service]\nExecStart=/x \\")] == ["/x \\"]


def test_the_paths_of_a_sandbox_are_those_of_the_instance() -> None:
    """`/var/lib/%i` was said to be missing, which is there for the instance."""
    lines = unit_lines("/u", b"[Service]\nReadWritePaths=/var/lib/%i +/var/cache/%i -/srv/%i\nBindPaths=/etc/%p:/run/%p\n")
    assert sandbox_paths(lines, "app@one.service") == ("/var/lib/one", "/var/cache/one", "/etc/app")
    assert expand_specifiers("%n %N %I 100%%", "app@a-b.service") == "app@a-b.service app@a-b a/b 100%"
