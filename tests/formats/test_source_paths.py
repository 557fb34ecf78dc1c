"""Tests of fixer/formats/source_paths.py."""

from __future__ import annotations

import pytest

from fixer.formats.source_paths import drop_in_folders, is_own_source, missing_module, named_paths, source_folders
from tests.causes.snapshot_builders import failed_service, log_lines, service, supervised_service
from tests.formats.test_run_output import REQUESTS

# What is looked at of a service that ended by itself: ages of its code and settings, and where its modules may be.


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


@pytest.mark.parametrize("server", REQUESTS)
def test_a_visitor_names_no_path_and_no_module(server: str) -> None:
    lines = tuple(REQUESTS[server].format(text) for text in ("No module named evil", "'/srv/evil/a.key'", "(/srv/evil/a.py:3)"))
    made = service(log=log_lines(*lines), argv=("uvicorn",))
    assert not [path for path in (*named_paths(made), *source_folders(made)) if "evil" in path]
    assert missing_module(made) == ""
    assert missing_module(service(log=log_lines("No module named evil"))) == "evil"
