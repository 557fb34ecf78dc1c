"""What a start needs on disk: the application's file, interpreters, folders of modules, environments, releases."""

from __future__ import annotations

import pytest

from fixer.formats.start_files import (
    app_file,
    find_missing_module,
    installed_module_paths,
    interpreter_of,
    module_files,
    module_folders,
    module_parent_folders,
    path_and_parents,
    release_path,
    resolve_link,
    start_arguments,
    stem_of,
    target_files,
    target_of,
    virtualenv_of,
)
from tests.causes.snapshot_builders import container_service, service, stat


@pytest.mark.parametrize(("command", "expected"), [
    ("uvicorn app.main:app", "app/main.py"), ("gunicorn -b :8000 shop:create()", "shop.py"), ("python ./serve.py", "serve.py"),
    ("python /srv/serve.py", None), ("uvicorn", None), ("app.main:app", None), ("uvicorn 127.0.0.1:8000", None),
])
def test_the_file_of_the_application(command: str, expected: str | None) -> None:
    assert app_file(command.split()) == expected


@pytest.mark.parametrize(("command", "target", "files"), [
    ("uvicorn app.main:app", "app.main:app", ("/srv/app/main.py", "/srv/app/main/__init__.py")),
    ("uvicorn --app-dir /opt/shop desk:app", "desk:app", (
        "/opt/shop/desk.py", "/opt/shop/desk/__init__.py", "/srv/desk.py", "/srv/desk/__init__.py")),
    ("uwsgi --module=desk:create --http :80", "desk:create", ("/srv/desk.py", "/srv/desk/__init__.py")),
    ("uwsgi --module desk --callable create", "desk:create", ("/srv/desk.py", "/srv/desk/__init__.py")),
    ("uwsgi --chdir /opt --wsgi-file web/desk.py", "desk:application", ("/opt/web/desk.py",)),
    ("uwsgi --wsgi-file /opt/desk.py", "desk:application", ("/opt/desk.py",)),
    ("uwsgi --ini /etc/uwsgi.ini", "", ()), ("gunicorn desk", "", ()), ("python3 /srv/desk.py", "", ()), ("", "", ()),
])
def test_the_application_that_a_command_names_and_where_its_module_may_be(
        command: str, target: str, files: tuple[str, ...]) -> None:
    assert (target_of(command.split()), target_files(command.split(), "/srv")) == (target, files)


@pytest.mark.parametrize(("data", "expected"), [
    (b"#!/usr/bin/python3\nimport os", "/usr/bin/python3"), (b"#! /bin/sh -e\n", "/bin/sh"), (b"#!/bin/sh\r\n", "/bin/sh\r"),
    (b"\x7fELF", None), (b"# !/bin/sh", None), (b"#!\n", None), (b"", None),
])
def test_the_interpreter_of_a_script(data: bytes, expected: str | None) -> None:
    assert interpreter_of(data) == expected


@pytest.mark.parametrize(("name", "stem"), [("python3.11", "python"), ("serve.sh", "serve"), ("node", "node"), ("7", "7"), (".env", ".env")])
def test_the_name_without_version_and_ending(name: str, stem: str) -> None:
    assert stem_of(name) == stem


@pytest.mark.parametrize(("link", "target", "expected"), [
    ("/srv/current", "releases/7", "/srv/releases/7"), ("/srv/current", "../opt/a", "/opt/a"), ("/srv/current", "/opt/a", "/opt/a"),
])
def test_where_a_link_leads(link: str, target: str, expected: str) -> None:
    assert resolve_link(link, target) == expected


def test_a_path_with_the_folders_above_it() -> None:
    assert path_and_parents("/srv/shop/../app") == ("/", "/srv", "/srv/app")
    assert path_and_parents("/") == ("/",)


@pytest.mark.parametrize(("source", "expected"), [
    ("/srv/current/app/main.py", ("/srv/releases/7", "app/main.py")), ("/srv/releases/7/main.py", ("/srv/releases/7", "main.py")),
    ("/srv/currently/main.py", None), ("/opt/main.py", None),
])
def test_a_file_behind_the_link_to_a_release(source: str, expected: tuple[str, str] | None) -> None:
    assert release_path("/srv/current", stat(kind="link", real_path="/srv/releases/7"), source) == expected


def test_a_link_to_the_root_or_to_nothing_is_no_release() -> None:
    for made in (stat(kind="link", real_path="/srv"), stat(kind="link", real_path=None), stat(kind="dir", real_path="/srv/a/b")):
        assert release_path("/srv/current", made, "/srv/current/a.py") is None


def test_the_words_of_a_start_hold_each_once_with_the_values_of_options() -> None:
    made = service(unit_changes={"working_directory": "/srv/shop", "exec_start": ("/opt/start.sh", "--conf=/etc/a")},
                   argv=("/opt/start.sh", "uvicorn", "--app-dir=/srv/shop"))
    assert start_arguments(made) == ("/srv/shop", "/opt/start.sh", "/etc/a", "uvicorn")
    assert start_arguments(container_service(argv=("a", "b="))) == ("a", "b=")


@pytest.mark.parametrize(("text", "module"), [
    ('ERROR:    Error loading ASGI app. Could not import module "app.main".', "app.main"),
    ("ModuleNotFoundError: No module named 'shop.core'", "shop.core"),
    ("Error: Cannot find module '/srv/shop/office.js'", "/srv/shop/office.js"), ("Error: Cannot find module 'express'", ""),
    ("Error: Cannot load application from 'shop.wsgi:app'", "shop.wsgi"), ("ImportError: cannot import name 'x'", ""), ("", ""),
])
def test_the_module_that_was_not_found(text: str, module: str) -> None:
    assert find_missing_module(text) == module


def test_where_a_module_is_looked_for() -> None:
    assert module_parent_folders("/srv", "a.b.c") == ("/srv", "/srv/a", "/srv/a/b")
    assert module_parent_folders("/srv", "a") == ("/srv",)
    assert module_files("/srv", "a.b") == ("/srv/a/b.py", "/srv/a/b/__init__.py")
    assert module_files("/srv", "/opt/a.js") == ("/opt/a.js",)


@pytest.mark.parametrize(("command", "start", "expected"), [
    ("uvicorn --app-dir src a:b", "/srv", ("/srv/src", "/srv")), ("uvicorn --app-dir=/opt/src a:b", "/srv", ("/opt/src", "/srv")),
    ("gunicorn --pythonpath a,/b --chdir .", "/srv", ("/srv/a", "/b", "/srv")), ("uvicorn a:b", "", ()), ("uvicorn --app-dir", "/srv", ("/srv",)),
])
def test_the_folders_of_modules_that_a_command_names(command: str, start: str, expected: tuple[str, ...]) -> None:
    assert module_folders(command.split(), start) == expected


@pytest.mark.parametrize(("program", "root"), [
    ("/srv/shop/venv/bin/uvicorn", "/srv/shop/venv"), ("/usr/bin/uvicorn", ""), ("/usr/local/bin/uvicorn", ""), ("/bin/uvicorn", ""),
    ("venv/bin/uvicorn", ""), ("uvicorn", ""), ("/srv/shop/uvicorn", ""),
])
def test_the_environment_of_a_program(program: str, root: str) -> None:
    assert virtualenv_of([program, "a:b"]) == root


def test_an_environment_keeps_a_module_for_each_version_of_python() -> None:
    found = installed_module_paths(["/srv/venv/bin/uvicorn"], "shop.core")
    assert "/srv/venv/lib/python3.11/site-packages/shop/__init__.py" in found
    assert "/srv/venv/lib/python3.11/site-packages/shop.py" in found and len(set(found)) == 20
    assert installed_module_paths(["/usr/bin/uvicorn"], "shop") == () == installed_module_paths(["/srv/venv/bin/uvicorn"], "../x")
    assert virtualenv_of([]) == ""
