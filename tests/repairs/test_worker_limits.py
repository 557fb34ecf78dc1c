"""The limits of nginx's workers: read, and written into their line or a new one."""

from __future__ import annotations

import pytest

from fixer.repairs.file_edits import EditableFile, NotEditable
from fixer.repairs.worker_limits import connections_limit, open_files_limit, set_connections, set_open_files


@pytest.mark.parametrize(("text", "files", "connections"), [
    (b"worker_rlimit_nofile 24;\nevents {\n worker_connections 9;\n}\n", 24, (9, 3)),
    (b"user x;\nevents { }\n", 0, (512, 2)),
    (b"events { worker_connections $many; }", 0, (512, 1)),
    (b"worker_rlimit_nofile " + b"9" * 5000 + b";", 0, None),
    (b"", 0, None),
])
def test_what_a_file_says(text: bytes, files: int, connections: tuple[int, int] | None) -> None:
    assert (open_files_limit(text), connections_limit(text)) == (files, connections)


def place(data: bytes) -> EditableFile:
    return EditableFile("local", "/etc/nginx/nginx.conf", data, False, "", "/etc/nginx/nginx.conf")


@pytest.mark.parametrize(("text", "want"), [
    (b"events { worker_connections 9; } # 9\n", b"events { worker_connections 70; } # 9\n"),
    (b"events {\n    use epoll;\n}\n", b"events {\n    worker_connections 70;\n    use epoll;\n}\n"),
])
def test_connections_are_written(text: bytes, want: bytes) -> None:
    assert set_connections(place(text), "70") == want


@pytest.mark.parametrize("text", [b"http { }\n", b"events { worker_connections 9"])
def test_connections_that_cannot_be_written(text: bytes) -> None:
    made = set_connections(place(text), "70")
    assert isinstance(made, NotEditable) or b"70" in made


@pytest.mark.parametrize(("text", "want"), [
    (b"worker_rlimit_nofile 9;\n", b"worker_rlimit_nofile 70;\n"),
    (b"pid /run/x;\nevents { }\n", b"pid /run/x;\nworker_rlimit_nofile 70;\nevents { }\n"),
])
def test_open_files_are_written(text: bytes, want: bytes) -> None:
    assert set_open_files(text, "70") == want


def test_open_files_need_a_line_to_follow() -> None:
    assert isinstance(set_open_files(b"events { }\n", "70"), NotEditable)
