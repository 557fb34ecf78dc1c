"""What is looked at of a path that a program ended over: whether it is there and whose it is, never what it holds."""

from __future__ import annotations

import pytest

from fixer.model.query import ReadFile
from fixer.observe.files.error_paths import ACCOUNTS_LIMIT, PROGRAM_LIMIT, closed_path_queries
from tests.causes.snapshot_builders import container_service, failed_service, log_lines, service

SAID = "1800000000.1 host uvicorn[7]: FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/../data/words'"


def test_the_way_to_it_and_the_accounts_are_asked_for() -> None:
    asked = list(closed_path_queries([failed_service(log=log_lines(SAID.split(": ", 1)[1]))]))
    assert asked == [("local", ReadFile(path, 0)) for path in ("/", "/srv", "/srv/data", "/srv/data/words")] + [
        ("local", ReadFile(path, ACCOUNTS_LIMIT)) for path in ("/etc/passwd", "/etc/group")]


def test_a_read_only_file_system_is_a_question_to_the_mounts() -> None:
    said = "OSError: [Errno 30] Read-only file system: '/var/log/a'"
    assert next(closed_path_queries([failed_service(log=log_lines(said))])) == ("local", ReadFile("/proc/mounts", ACCOUNTS_LIMIT))


def test_of_a_container_only_what_is_mounted_is_asked_for_on_its_host() -> None:
    said = log_lines("FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/words'")
    mounted = container_service(log=said, box={"mounts": (("/opt/data", "/srv/shop", True),)})
    assert list(closed_path_queries([mounted])) == [("engine", ReadFile("/opt/data/words", 0))]
    assert not list(closed_path_queries([container_service(log=said)]))


def test_of_a_name_without_an_address_the_files_that_it_is_looked_up_by() -> None:
    said = log_lines("socket.gaierror: [Errno -2] Name or service not known")
    asked = {query.path for node, query in closed_path_queries([failed_service(log=said)]) if isinstance(query, ReadFile) and node == "local"}
    assert asked == {"/", "/etc", "/etc/resolv.conf", "/etc/hosts", "/etc/passwd", "/etc/group"}
    made = container_service(log=said, box={"name_files": (("/etc/resolv.conf", "/var/lib/docker/containers/ab/resolv.conf"),)})
    assert list(closed_path_queries([made])) == [("engine", ReadFile("/var/lib/docker/containers/ab/resolv.conf", 0))]


@pytest.mark.parametrize(("said", "argv", "asked"), [
    ("FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/words'", ("uvicorn", "main:app"), "/opt/data/words"),
    ("Error: Cannot find module '/srv/shop/portal.js'", ("node", "/srv/shop/portal.js"), "/opt/data/portal.js"),
    ("Error: can't chdir to '/srv/shop'", ("gunicorn", "--chdir", "/srv/shop", "desk:app"), "/opt/data/desk.py"),
])
def test_what_is_below_no_mount_is_looked_for_at_the_sources_of_all(said: str, argv: tuple[str, ...], asked: str) -> None:
    made = container_service(log=log_lines(said), argv=argv, box={"working_dir": "/app", "mounts": (("/opt/data", "/srv/unused", True),)})
    assert ("engine", ReadFile(asked, 0)) in list(closed_path_queries([made]))


def test_nothing_is_asked_where_no_path_is_named() -> None:
    assert not list(closed_path_queries([service(), failed_service(log=log_lines("ValueError: /srv/x"))]))


def test_of_a_key_that_python_does_not_name_all_files_that_the_command_names_are_looked_at() -> None:
    said = log_lines('  File "/usr/lib/python3/dist-packages/uvicorn/config.py", line 113, in create_ssl_context',
               "    ctx.load_cert_chain(certfile, keyfile, get_password)", "PermissionError: [Errno 13] Permission denied")
    argv = ("/usr/bin/uvicorn", "app:app", "--ssl-keyfile", "/tls/key.pem", "--ssl-certfile", "/tls/cert.pem")
    asked = {query.path for _, query in closed_path_queries([failed_service(log=said, argv=argv)])
             if isinstance(query, ReadFile)}
    assert {"/tls", "/tls/key.pem", "/tls/cert.pem", "/etc/passwd"} <= asked


def test_a_module_is_asked_for_in_every_folder_that_the_command_names() -> None:
    made = failed_service(log=log_lines('ERROR:    Error loading ASGI app. Could not import module "main".'),
                  argv=("/usr/bin/uvicorn", "main:app", "--app-dir=/opt/code"))
    asked = {query.path for _, query in closed_path_queries([made]) if isinstance(query, ReadFile)}
    assert {"/opt", "/opt/code/main.py", "/srv/shop/main.py"} <= asked


def test_what_a_stopped_container_mounts_is_looked_for() -> None:
    box: dict[str, object] = {"status": "exited", "sources": ("/srv/key.txt",)}
    assert list(closed_path_queries([container_service(pid=None, box=box)])) == [("engine", ReadFile("/srv/key.txt", 0))]
    assert not list(closed_path_queries([container_service(box={**box, "status": "running"})]))


def test_the_script_that_a_stopped_container_starts_is_read_where_it_is_mounted() -> None:
    box: dict[str, object] = {"status": "exited", "argv": ("./entry.sh", "uvicorn"), "working_dir": "/app",
                              "mounts": (("/srv/entry.sh", "/app/entry.sh", False),), "sources": ("/srv/entry.sh", "/srv/b")}
    assert list(closed_path_queries([container_service(pid=None, box=box)])) == [
        ("engine", ReadFile("/srv/b", 0)), ("engine", ReadFile("/srv/entry.sh", PROGRAM_LIMIT))]
    for argv in (("entry.sh",), ("/usr/bin/entry.sh",), ()):      # of the image
        asked = list(closed_path_queries([container_service(pid=None, box={**box, "argv": argv})]))
        assert ReadFile("/srv/entry.sh", PROGRAM_LIMIT) not in [query for _, query in asked]


def test_a_module_of_a_container_is_looked_for_where_it_is_mounted() -> None:
    said = log_lines('ERROR:    Error loading ASGI app. Could not import module "main".')
    made = container_service(pid=None, log=said, argv=("uvicorn", "main:app"), box={
        "working_dir": "/code", "mounts": (("/srv/shop", "/code", False),)})
    asked = {query.path for node, query in closed_path_queries([made]) if isinstance(query, ReadFile) and node == "engine"}
    assert asked == {"/srv/shop", "/srv/shop/main.py", "/srv/shop/main", "/srv/shop/main/__init__.py"}


def test_a_folder_that_node_does_not_name_is_looked_for_among_the_mounted_files() -> None:
    said = log_lines("Error: EISDIR: illegal operation on a directory, read")
    made = container_service(log=said, box={"mounts": (("/srv/a.json", "/etc/a.json", False), ("/srv/code", "/code", False))})
    assert list(closed_path_queries([made])) == [("engine", ReadFile("/srv/a.json", 0))]
