"""The program of a container that is a script mounted from the Docker host, and that cannot be run as it lies there."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE
from fixer.analysis.exits.failed_run import Crash
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.model.plan import FileMeta, WriteFile
from fixer.model.snapshot import Container, FileContent
from fixer.repairs.file_edits import on_host
from fixer.repairs.restore_code import again_steps

_BINARY = b"\x7fELF"


@dataclass(frozen=True, slots=True)
class Mounted:
    """What is wrong with the script, what shows it, and what mends it."""

    said: str
    shown: Evidence
    repair: Repair


def mounted_program(case: Case, crash: Crash, named: str, *, denied: bool) -> Mounted | None:
    """`denied`: the kernel said that it may not be executed, else that it is not there or of no kind that it runs.
    None where it lies in the image, was not read, or nothing in it explains that."""
    box = crash.service.container
    file = _file(case, box, named) if box is not None else None
    if file is None or len(file.data) != file.stat.size or b"\0" in file.data or file.data.startswith(_BINARY):
        return None
    first = file.data.split(b"\n", 1)[0]
    if denied:
        return _no_execute_bit(case, crash, file, named)
    if first.startswith(b"#!") and first.endswith(b"\r"):
        return _carriage_returns(case, crash, file, named)
    where, text = f"{file.path}:1", first.decode("utf-8", "replace").strip()
    if not first.startswith(b"#!"):
        said = f"its program {named} names no interpreter: its first line has no #!"
        todo = f"write #!/bin/sh (or what runs it) as the first line of {file.path}"
    else:
        said = f"its program {named} asks for {text[2:].strip()} as its interpreter, which is not in its image"
        todo = f"name at {where} an interpreter that the image has, or install that one in the image"
    todo = f"{todo}; then start {crash.service.name}"
    return Mounted(said, Evidence("file", where, text), Repair("mend-container", "manual", todo, (), manual=todo))


def _file(case: Case, box: Container | None, named: str) -> FileContent | None:
    path = posixpath.normpath(posixpath.join(box.working_dir or "/", named)) if box is not None else ""
    host = on_host(box, path) if box is not None else ""
    return case.snapshot.file(ENGINE, host) if host else None


def _carriage_returns(case: Case, crash: Crash, file: FileContent, named: str) -> Mounted:
    lines = file.data.count(b"\r\n")
    step = WriteFile(file.node, file.real_path, file.data, file.data.replace(b"\r\n", b"\n"),
                     "take the carriage returns out", in_place=file.single_file_mount)
    return Mounted(
        f"the lines of its program {named} end in CR LF, so that its interpreter reads with a carriage return",
        Evidence("file", file.path, f"{lines} lines end in a carriage return"),
        _mended(case, crash, "strip-carriage-returns", f"take the carriage returns out of {file.path}", step))


def _no_execute_bit(case: Case, crash: Crash, file: FileContent, named: str) -> Mounted | None:
    stat = file.stat
    if stat.mode & 0o111:
        return None
    new = FileMeta((stat.mode | (stat.mode & 0o444) >> 2) & 0o7777, stat.uid, stat.gid)
    step = WriteFile(file.node, file.real_path, file.data, file.data, "make it executable", meta=new,
                     expect_meta=FileMeta(stat.mode & 0o7777, stat.uid, stat.gid), in_place=file.single_file_mount)
    return Mounted(
        f"its program {named} has no execute bit on the Docker host",
        Evidence("file", file.path, f"mode {stat.mode & 0o7777:04o}, owner {stat.uid}:{stat.gid}"),
        _mended(case, crash, "make-executable", f"make {file.path} executable", step))


def _mended(case: Case, crash: Crash, ident: str, does: str, step: WriteFile) -> Repair:
    begin = again_steps(case, crash)
    if not begin:
        manual = f"{does}; then start {crash.service.name}"
        return Repair(ident, "manual", does, (), manual=manual)
    return Repair(ident, "disruptive", f"{does}, then start {crash.service.name}", (step, *begin))
