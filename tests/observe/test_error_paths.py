"""What is looked at of a path that a program ended over: whether it is there and whose it is, never what it holds."""

from __future__ import annotations

from fixer.model.query import ReadFile
from fixer.observe.errorpaths import LIMIT, closed_path_queries
from tests.causes.building import boxed, failed, log, service

SAID = "1800000000.1 host uvicorn[7]: FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/../data/words'"


def test_the_way_to_it_and_the_accounts_are_asked_for() -> None:
    asked = list(closed_path_queries([failed(log=log(SAID.split(": ", 1)[1]))]))
    assert asked == [("local", ReadFile(path, 0)) for path in ("/", "/srv", "/srv/data", "/srv/data/words")] + [
        ("local", ReadFile(path, LIMIT)) for path in ("/etc/passwd", "/etc/group")]


def test_a_read_only_file_system_is_a_question_to_the_mounts() -> None:
    said = "OSError: [Errno 30] Read-only file system: '/var/log/a'"
    assert next(closed_path_queries([failed(log=log(said))])) == ("local", ReadFile("/proc/mounts", LIMIT))


def test_of_a_container_only_what_is_mounted_is_asked_for_on_its_host() -> None:
    said = log("FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/words'")
    mounted = boxed(log=said, box={"mounts": (("/opt/data", "/srv/shop", True),)})
    assert list(closed_path_queries([mounted])) == [("engine", ReadFile("/opt/data/words", 0))]
    assert not list(closed_path_queries([boxed(log=said)]))


def test_nothing_is_asked_where_no_path_is_named() -> None:
    assert not list(closed_path_queries([service(), failed(log=log("ValueError: /srv/x"))]))
