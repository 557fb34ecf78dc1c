"""What is asked when an application's log complains: its own source files, and the systems that it needs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixer.model.capture import NodeCapture
from fixer.model.query import Answer, Command, Query, ReadFile, ReadGlob
from fixer.model.service import Service
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.files.application_code import SOURCE_LIMIT, change_queries, entry_modules_query, source_queries
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.causes.snapshot_builders import (
    container_service,
    failed_service,
    log_lines,
    service,
    stopped_service,
    supervised_service,
)
from tests.observe.capture_builders import capture, file, node
from tests.observe.files.application_code_builders import UNIT, logged

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
MAIN = ReadFile("/srv/shop/app/main.py", SOURCE_LIMIT)
IMPORT = ('  File "/srv/shop/app/main.py", line 3, in <module>\n'
          '  File "/usr/lib/python3/dist-packages/x.py", line 1\nModuleNotFoundError: No module named \'y\'\n')


def asked(seen: NodeCapture) -> list[Query]:
    return follow_up_queries(capture(seen), ObserveOptions()).get("local", [])


def test_the_source_that_a_traceback_names_and_older_states_of_it() -> None:
    wanted = asked(logged(IMPORT))
    assert MAIN in wanted and ReadFile("/srv/shop/app/main.py.bak", SOURCE_LIMIT) in wanted
    assert ReadFile("/srv/shop/app/main.pyc", 0) in wanted       # what Python runs if the source is gone
    assert not [q for q in wanted if isinstance(q, ReadFile) and "dist-packages" in q.path]
    assert entry_modules_query("/srv/shop") in wanted


def test_a_module_that_the_environment_may_hold_for_another_python() -> None:
    kept = ReadFile("/srv/shop/venv/lib/python3.9/site-packages/y/__init__.py", SOURCE_LIMIT)
    assert kept not in asked(logged(IMPORT))
    own = UNIT.replace("/usr/bin/uvicorn", "/srv/shop/venv/bin/uvicorn")
    assert kept in asked(logged(IMPORT, own))


@pytest.mark.parametrize("text", [
    '  File "/srv/shop/app/main.py", line 3, in <module>\nKeyError: \'SECRET\'\n', "all is well\n", "",
])
def test_no_source_is_read_where_the_end_is_of_another_kind(text: str) -> None:
    wanted = asked(logged(text))
    assert MAIN not in wanted and entry_modules_query("/srv/shop") not in wanted


def test_the_folders_of_a_module_that_was_not_found_are_looked_at() -> None:
    wanted = asked(logged('ERROR:    Error loading ASGI app. Could not import module "app.main".\n'))
    for path in ("/srv/shop", "/srv/shop/app", "/srv/shop/app/main.py", "/srv/shop/app/main/__init__.py"):
        assert ReadFile(path, 0) in wanted


def test_what_a_server_could_be_pointed_at() -> None:
    text = 'ERROR:    Error loading ASGI app. Could not import module "nosuch".\n'
    query = entry_modules_query("/srv/shop")
    assert query in asked(logged(text)) and "/srv/shop/*/main.py" in query.patterns
    assert entry_modules_query("/srv/[x]").patterns[0].startswith("/srv/\\[x]/")
    found = logged(text)
    found.answers[query] = Answer("ok", files=(file("/srv/shop/app/main.py", "app = Starlette()\n"),))  # type: ignore[index]
    files = {f.path for f in build_snapshot(capture(found)).files}
    assert "/srv/shop/app/main.py" in files


def test_behind_the_mounts_of_a_container() -> None:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
    box = {"Id": "a" * 20, "Name": "/api", "Path": "uvicorn", "Args": ["app.main:app"],
           "State": {"Status": "exited", "ExitCode": 1}, "Config": {"Labels": labels, "WorkingDir": "/srv"},
           "Mounts": [{"Type": "bind", "Source": "/lab/app", "Destination": "/srv/app"},
                      {"Type": "bind", "Source": "/lab/x", "Destination": "/etc/x"}]}
    web = {"Id": "b" * 20, "Name": "/web", "Path": "nginx", "State": {"Status": "running"},
           "Config": {"Labels": {**labels, "com.docker.compose.service": "web"}}}
    text = IMPORT.replace("/srv/shop", "/srv")
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps([web, box]).encode()),
                   Command("docker-logs", ("api", "200")): Answer("ok", text.encode())}, name="engine", nginx=False)
    seen = capture(node(site=SITE, name="web", kind="container"), engine, kind="compose", address="shop")
    wanted = follow_up_queries(seen, ObserveOptions())["engine"]
    assert ReadFile("/lab/app/main.py", SOURCE_LIMIT) in wanted and entry_modules_query("/lab/app") in wanted
    assert not [q for q in wanted if isinstance(q, ReadGlob) and "/lab/x/main.py" in q.patterns]


@pytest.mark.parametrize("told", [
    b"=/srv/shop/current\n",
    b"=/\nExecStart={ path=/srv/shop/current/bin/serve ; argv[]=/srv/shop/current/bin/serve ; ignore_errors=no }\n",
])
def test_releases_beside_the_one_that_runs_are_looked_for_where_a_link_says_which(told: bytes) -> None:
    """First what the folders that it starts in are, or its script lies in; then the same file of the others."""
    text = IMPORT.replace("/srv/shop", "/srv/shop/releases/2")
    seen = logged(text)
    seen = replace(seen, answers={
        query: replace(answer, data=answer.data.replace(b"=/srv/shop\n", told))
        for query, answer in seen.answers.items()})
    beside = ReadGlob(("/srv/shop/releases/*/app/main.py",), SOURCE_LIMIT, 40)
    first = ReadFile("/srv/shop/current", 1)
    wanted = asked(seen)
    assert first in wanted and beside not in wanted
    link = replace(file("/srv/shop/current", ""), stat=replace(
        file("/x", "").stat, kind="link", link_target="releases/2", real_path="/srv/shop/releases/2"))   # type: ignore[type-var]
    assert beside in asked(replace(seen, answers={**seen.answers, first: Answer("ok", files=(link,))}))


# What is looked at of a service that ended by itself: ages of its code and settings, and where its modules may be.
LINES = ('  File "/srv/shop/app/main.py", line 3, in <module>', "    c.read('/etc/shop/shop.ini')",
         "ModuleNotFoundError: No module named 'orjson.fast'")


def changed_files_asked(made: Service) -> list[ReadFile | ReadGlob]:
    return [query for _, query in change_queries([made]) if isinstance(query, ReadFile | ReadGlob)]


def test_ages_only_are_asked_for() -> None:
    queries = changed_files_asked(failed_service(log=log_lines(*LINES), argv=("/opt/venv/bin/uvicorn", "app.main:app", "--env-file=/srv/env")))
    assert all(query.limit == 0 for query in queries)
    globbed = queries[0]
    assert isinstance(globbed, ReadGlob)
    assert {"/srv/shop/*", "/srv/shop/app/*", "/etc/backend/*", "/opt/venv/lib/python3*/site-packages/orjson.py",
            "/opt/venv/lib/python3*/site-packages", "/etc/systemd/system/backend.service.d"} <= set(globbed.patterns)
    assert {q.path for q in queries[1:] if isinstance(q, ReadFile)} == {"/srv/env", "/etc/shop/shop.ini",
                                                                         "/srv/shop/app/main.py"}


def test_nothing_is_asked_of_what_runs_or_was_stopped() -> None:
    assert not changed_files_asked(service(log=log_lines(*LINES))) and not changed_files_asked(stopped_service(log=log_lines(*LINES)))
    assert changed_files_asked(supervised_service("FATAL", log=log_lines(*LINES))) and not changed_files_asked(supervised_service("RUNNING", log=log_lines(*LINES)))


def test_of_a_container_what_is_mounted_is_looked_at_on_its_host() -> None:
    box = {"status": "exited", "exit_code": 1, "working_dir": "/srv", "mounts": (("/home/lab/app", "/srv/app", False),)}
    (made,) = changed_files_asked(container_service(box=box, log=log_lines('  File "/srv/app/main.py", line 3, in <module>', "ValueError: x")))
    assert isinstance(made, ReadGlob) and (made.patterns[0], made.limit) == ("/home/lab/app/*", 0)
    assert not changed_files_asked(container_service(log=log_lines(*LINES)))


def test_the_module_that_the_command_names_is_read_where_it_lacks_the_name() -> None:
    said = log_lines("hypercorn.utils.NoAppError: Cannot load application from 'desk:create', application not found.")
    box = {"status": "exited", "exit_code": 1, "working_dir": "/srv", "mounts": (("/home/lab/code", "/srv", False),)}
    argv = ("hypercorn", "desk:create")
    made, plain = container_service(box=box, log=said, argv=argv), container_service(box=box, argv=argv)
    assert ("engine", ReadFile("/home/lab/code/desk.py", SOURCE_LIMIT)) in list(source_queries([made]))
    assert not list(source_queries([plain]))
    unit = failed_service(log=said, argv=argv)
    assert ("local", ReadFile("/srv/shop/desk.py", SOURCE_LIMIT)) in list(source_queries([unit]))
