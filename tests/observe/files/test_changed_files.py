"""What is looked at of a service that ended by itself: ages of its code and settings, and where its modules may be."""

from __future__ import annotations

from fixer.formats.source_paths import drop_in_folders, is_own_source, missing_module, source_folders
from fixer.model.query import ReadFile, ReadGlob
from fixer.model.service import Service
from fixer.observe.files.application_code import change_queries
from tests.causes.snapshot_builders import (
    container_service,
    failed_service,
    log_lines,
    service,
    stopped_service,
    supervised_service,
)

LINES = ('  File "/srv/shop/app/main.py", line 3, in <module>', "    c.read('/etc/shop/shop.ini')",
         "ModuleNotFoundError: No module named 'orjson.fast'")


def asked(made: Service) -> list[ReadFile | ReadGlob]:
    return [query for _, query in change_queries([made]) if isinstance(query, ReadFile | ReadGlob)]


def test_ages_only_are_asked_for() -> None:
    queries = asked(failed_service(log=log_lines(*LINES), argv=("/opt/venv/bin/uvicorn", "app.main:app", "--env-file=/srv/env")))
    assert all(query.limit == 0 for query in queries)
    globbed = queries[0]
    assert isinstance(globbed, ReadGlob)
    assert {"/srv/shop/*", "/srv/shop/app/*", "/etc/backend/*", "/opt/venv/lib/python3*/site-packages/orjson.py",
            "/opt/venv/lib/python3*/site-packages", "/etc/systemd/system/backend.service.d"} <= set(globbed.patterns)
    assert {q.path for q in queries[1:] if isinstance(q, ReadFile)} == {"/srv/env", "/etc/shop/shop.ini",
                                                                         "/srv/shop/app/main.py"}


def test_nothing_is_asked_of_what_runs_or_was_stopped() -> None:
    assert not asked(service(log=log_lines(*LINES))) and not asked(stopped_service(log=log_lines(*LINES)))
    assert asked(supervised_service("FATAL", log=log_lines(*LINES))) and not asked(supervised_service("RUNNING", log=log_lines(*LINES)))


def test_of_a_container_what_is_mounted_is_looked_at_on_its_host() -> None:
    box = {"status": "exited", "exit_code": 1, "working_dir": "/srv", "mounts": (("/home/lab/app", "/srv/app", False),)}
    (made,) = asked(container_service(box=box, log=log_lines('  File "/srv/app/main.py", line 3, in <module>', "ValueError: x")))
    assert isinstance(made, ReadGlob) and (made.patterns[0], made.limit) == ("/home/lab/app/*", 0)
    assert not asked(container_service(log=log_lines(*LINES)))


def test_folders_of_the_system_and_of_libraries_are_nobodys_own() -> None:
    made = failed_service(log=log_lines('  File "/usr/lib/python3/dist-packages/uvicorn/main.py", line 3, in <module>'),
                  unit_changes={"working_directory": "/"})
    assert source_folders(made) == ()
    assert not is_own_source(failed_service(), "/srv/shop/app/__pycache__/a.py") and is_own_source(failed_service(), "/srv/shop/app/a.py")


def test_a_module_that_is_lacking_is_no_path() -> None:
    assert missing_module(failed_service(log=log_lines("Error: Cannot find module '../../etc/passwd'"))) == ""
    assert missing_module(failed_service(log=log_lines("Error: Cannot find module '@scope/thing'"))) == "@scope/thing"


def test_drop_ins_of_an_instance_may_be_its_templates() -> None:
    of = drop_in_folders(failed_service("shop@blue.service"))
    assert of == ("/etc/systemd/system/shop@blue.service.d", "/etc/systemd/system/shop@.service.d")
    assert drop_in_folders(failed_service("a b.service")) == drop_in_folders(supervised_service()) == ()
