"""What is looked at of a service that ended by itself: ages of its code and settings, and where its modules may be."""

from __future__ import annotations

from fixer.formats.source_paths import drop_in_folders, folders_of, is_of_its_own, wanted_module
from fixer.model.query import ReadFile, ReadGlob
from fixer.model.service import Service
from fixer.observe.files.application_code import change_queries
from tests.causes.snapshot_builders import boxed, failed, log, service, stopped, supervised

LINES = ('  File "/srv/shop/app/main.py", line 3, in <module>', "    c.read('/etc/shop/shop.ini')",
         "ModuleNotFoundError: No module named 'orjson.fast'")


def asked(made: Service) -> list[ReadFile | ReadGlob]:
    return [query for _, query in change_queries([made]) if isinstance(query, ReadFile | ReadGlob)]


def test_ages_only_are_asked_for() -> None:
    queries = asked(failed(log=log(*LINES), argv=("/opt/venv/bin/uvicorn", "app.main:app", "--env-file=/srv/env")))
    assert all(query.limit == 0 for query in queries)
    globbed = queries[0]
    assert isinstance(globbed, ReadGlob)
    assert {"/srv/shop/*", "/srv/shop/app/*", "/etc/backend/*", "/opt/venv/lib/python3*/site-packages/orjson.py",
            "/opt/venv/lib/python3*/site-packages", "/etc/systemd/system/backend.service.d"} <= set(globbed.patterns)
    assert {q.path for q in queries[1:] if isinstance(q, ReadFile)} == {"/srv/env", "/etc/shop/shop.ini",
                                                                         "/srv/shop/app/main.py"}


def test_nothing_is_asked_of_what_runs_or_was_stopped() -> None:
    assert not asked(service(log=log(*LINES))) and not asked(stopped(log=log(*LINES)))
    assert asked(supervised("FATAL", log=log(*LINES))) and not asked(supervised("RUNNING", log=log(*LINES)))


def test_of_a_container_what_is_mounted_is_looked_at_on_its_host() -> None:
    box = {"status": "exited", "exit_code": 1, "working_dir": "/srv", "mounts": (("/home/lab/app", "/srv/app", False),)}
    (made,) = asked(boxed(box=box, log=log('  File "/srv/app/main.py", line 3, in <module>', "ValueError: x")))
    assert isinstance(made, ReadGlob) and (made.patterns[0], made.limit) == ("/home/lab/app/*", 0)
    assert not asked(boxed(log=log(*LINES)))


def test_folders_of_the_system_and_of_libraries_are_nobodys_own() -> None:
    made = failed(log=log('  File "/usr/lib/python3/dist-packages/uvicorn/main.py", line 3, in <module>'),
                  unit_changes={"working_directory": "/"})
    assert folders_of(made) == ()
    assert not is_of_its_own(failed(), "/srv/shop/app/__pycache__/a.py") and is_of_its_own(failed(), "/srv/shop/app/a.py")


def test_a_module_that_is_lacking_is_no_path() -> None:
    assert wanted_module(failed(log=log("Error: Cannot find module '../../etc/passwd'"))) == ""
    assert wanted_module(failed(log=log("Error: Cannot find module '@scope/thing'"))) == "@scope/thing"


def test_drop_ins_of_an_instance_may_be_its_templates() -> None:
    of = drop_in_folders(failed("shop@blue.service"))
    assert of == ("/etc/systemd/system/shop@blue.service.d", "/etc/systemd/system/shop@.service.d")
    assert drop_in_folders(failed("a b.service")) == drop_in_folders(supervised()) == ()
