"""Tests of fixer/hosts/machine/read_files.py."""

from __future__ import annotations

import os
from pathlib import Path

from fixer.hosts.machine import read_files
from fixer.hosts.machine.read_files import answer_glob, answer_tree
from fixer.model.query import ReadFile, ReadGlob, ReadTree


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    (tmp_path / "f").chmod(0)
    pid = os.fork()
    if pid == 0:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        tmp_path_answer = read_files.answer_file(ReadFile(f"{tmp_path}/f"))
        os._exit(0 if tmp_path_answer.status == "denied" and not tmp_path_answer.files[0].data else 1)
    assert os.waitpid(pid, 0)[1] == 0


# Configurations larger than a first look reads: asked for whole, and unknown while a part of them was not read.


def test_what_is_read_says_when_it_ends_early(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.conf").write_bytes(b"x" * 100)
    assert answer_tree(ReadTree(str(tmp_path), max_files=5)).message.startswith("more than ")
    (answer,) = answer_glob(ReadGlob((f"{tmp_path}/1.conf",), 99, 1)).files
    assert answer.truncated and len(answer.data) == 99


def test_one_answer_holds_no_more_than_its_bytes(tmp_path: Path) -> None:
    for number in range(300):
        with (tmp_path / f"{number:03}.conf").open("wb") as file:
            file.truncate(1 << 18)      # takes no place on the disk
    for answer in (answer_glob(ReadGlob((f"{tmp_path}/*.conf",))), answer_tree(ReadTree(str(tmp_path), limit=1 << 20))):
        assert sum(len(file.data) for file in answer.files) == read_files.MOST_BYTES
        assert len(answer.files) == 300 and all(file.stat is not None and file.stat.size == 1 << 18 for file in answer.files)
        assert [file.truncated for file in answer.files] == [False] * 64 + [True] * 236
