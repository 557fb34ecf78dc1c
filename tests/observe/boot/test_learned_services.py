"""What is worth remembering of a healthy look: names of variables and where their values stand, never a value."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.capture import Capture
from fixer.model.facts import Known, Unknown
from fixer.model.learned import Learned, LearnedService, learned_from_json, learned_to_json
from fixer.model.query import Answer, ReadFile, ReadGlob
from fixer.model.target import TargetRef
from fixer.observe.boot.learned_services import (
    LearnCandidate,
    environ_query,
    learn_candidates,
    learned_service,
    users_of,
    variable_file_queries,
)
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions, options_from
from tests.causes.backend_down.learned_start_builders import MADE
from tests.observe.capture_builders import file, node, process, sockets, tcp_row

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
ARGV = ["/usr/bin/python3", "/usr/bin/uvicorn", "shop:app", "--port", "8000"]
WHERE = "/var/lib/badgateway/targets/local/learned.json"
OPTIONS = ObserveOptions(probe=False, learned=WHERE)


def looked(argv: list[str] = ARGV, **more: object) -> Capture:
    made = node(site=SITE, running=[process(71, argv, comm="uvicorn", exe="/usr/bin/python3.13", cwd="/srv/shop", uid=33)],
                listening=sockets([tcp_row("127.0.0.1", 8000, 9)], {9: [71]}), **more)  # type: ignore[arg-type]
    return Capture(TargetRef("local", ""), (made,), (), OPTIONS.pairs())


def candidate(argv: list[str] = ARGV) -> LearnCandidate:
    (found,) = learn_candidates(build_snapshot(looked(argv)))
    return found


def remembered(argv: list[str] = ARGV, environ: bytes = b"", files: dict[str, bytes] | None = None) -> LearnedService:
    return learned_service(candidate(argv), environ, files or {}, users_of(b"root:x:0:0::/:/bin/sh\nwww:x:33:33::/:\nbad\n"))


def test_an_application_that_a_route_relies_on() -> None:
    found = candidate()
    assert (found.process.pid, found.addresses) == (71, (("127.0.0.1", 8000, ""),))
    assert environ_query(found).path == "/proc/71/environ"
    asked = variable_file_queries(found)
    assert isinstance(asked[0], ReadGlob) and {"/srv/shop/.env", "/srv/*.sh", "/etc/default/*"} <= set(asked[0].patterns)
    rooted = replace(found, process=replace(found.process, cwd=Unknown("denied")))
    assert variable_file_queries(rooted)[0] == ReadGlob(("/etc/default/*",), 1 << 16, 100)


def test_names_with_the_file_that_holds_the_very_value() -> None:
    environ = b"PATH=/bin\0LC_ALL=C\0KEY=one\0MODE=x\0PYTHONPATH=/srv/shop\0API_TOKEN=/srv/shop\0broken\0"
    found = remembered(environ=environ, files={"/srv/shop/.env": b"KEY=other\nMODE=x\n", "/srv/shop/start.sh": b"export KEY='one'\n"})
    assert dict(found.variables) == {"KEY": "/srv/shop/start.sh", "MODE": "/srv/shop/.env", "PYTHONPATH": ".", "API_TOKEN": ""}
    assert (found.user, found.directory, found.argv, found.complete) == ("www", "/srv/shop", tuple(ARGV), True)


def test_a_command_with_a_secret_is_not_kept() -> None:
    for word in ("--api-token", "DB_PASSWORD=x"):
        found = remembered([*ARGV, word, "abc"])
        assert (found.argv, found.complete) == ((), False)


def test_variables_that_could_not_be_read_are_not_none() -> None:
    unread = learned_service(candidate(ARGV), None, {}, {})
    assert (unread.variables, unread.readable) == ((), False)
    assert learned_service(candidate(ARGV), b"", {}, {}).readable
    again = learned_from_json(learned_to_json(Learned("", 1.0, "", (unread,))), "local", "x")
    assert again is not None and again.services == (unread,)


def test_a_program_by_its_whole_path() -> None:
    assert remembered(["uvicorn", *ARGV[2:]]).argv[0] == "/usr/bin/python3.13"
    found = candidate(["uvicorn", *ARGV[2:]])
    hidden = replace(found, process=replace(found.process, exe=Unknown("denied"), cwd=Known("/")))
    assert learned_service(hidden, b"", {}, {}).argv == ()
    assert learned_service(hidden, b"", {}, {}).user == "33"


def test_the_memory_is_read_and_its_files_where_something_is_gone() -> None:
    assert ReadFile(WHERE) in follow_up_queries(looked(), OPTIONS)["local"]
    made = LearnedService("uvicorn", "none", "uvicorn", tuple(ARGV), "/srv/shop", "www", (("127.0.0.1", 8000, ""),), (("KEY", "/srv/shop/.env"),))
    answer = {ReadFile(WHERE): Answer("ok", files=(file(WHERE, learned_to_json(Learned("", 1.0, "", (made,)))),))}
    calm = looked(answers=answer)
    env = ReadFile("/srv/shop/.env", 1 << 16)
    assert env not in follow_up_queries(calm, OPTIONS)["local"]
    silent = Capture(calm.target, (node(answer, site=SITE),), (), OPTIONS.pairs())
    assert env in follow_up_queries(silent, OPTIONS)["local"]
    read = node({**answer, env: Answer("ok", files=(file("/srv/shop/.env", "KEY=one\n"),))}, site=SITE)
    seen = build_snapshot(Capture(calm.target, (read,), (), OPTIONS.pairs()))
    assert seen.learned[0].services == (made,)
    assert seen.file("local", "/srv/shop/.env") is not None
    assert options_from(OPTIONS.pairs()) == OPTIONS


SERVED = ["-m", "uvicorn", "shop:app", "--port", "8000"]


@pytest.mark.parametrize(("word", "environ", "program"), [
    ("./venv/bin/python", b"", "/srv/shop/venv/bin/python"),
    ("../envs/a/bin/python3", b"PWD=/srv/shop\0", "/srv/envs/a/bin/python3"),
    ("venv/bin/python", b"PWD=/srv\0", "/usr/bin/python3.13"),           # it went elsewhere since: from where is not sure
    ("python", b"VIRTUAL_ENV=/srv/v\0PATH=/srv/v/bin:/usr/bin\0", "/srv/v/bin/python"),
    ("python3", b"VIRTUAL_ENV=/srv/v\0PATH=/usr/bin:/srv/v/bin\0", "/usr/bin/python3.13"),
    ("python3", b"PATH=/srv/v/bin:/usr/bin\0", "/usr/bin/python3.13"),
])
def test_an_environment_of_its_own_is_remembered_by_the_name_it_was_called_by(
    word: str, environ: bytes, program: str,
) -> None:
    assert remembered([word, *SERVED], environ).argv == (program, *SERVED)


def test_who_only_waits_for_another_users_program_is_not_what_is_started() -> None:
    words = ["runuser", "-u", "www", "--", *ARGV[1:]]
    running = [process(70, words, comm="runuser", exe="/usr/sbin/runuser", cwd="/"),
               process(71, ARGV, ppid=70, comm="uvicorn", exe="/usr/bin/python3.13", cwd="/srv/shop", uid=33)]
    made = node(site=SITE, running=running, listening=sockets([tcp_row("127.0.0.1", 8000, 9)], {9: [71]}))
    (found,) = learn_candidates(build_snapshot(Capture(TargetRef("local", ""), (made,), (), OPTIONS.pairs())))
    kept = learned_service(found, b"", {}, {33: "www"})
    assert (kept.argv, kept.user, kept.directory) == (tuple(ARGV), "www", "/srv/shop")


@pytest.mark.parametrize(("cgroup", "count"), [
    ("/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service", 0),
    ("/user.slice/user-1000.slice/user@1000.service/tmux-spawn-1.scope", 1),
    ("/user.slice/user-1000.slice/session-3.scope", 1),
])
def test_a_unit_of_a_users_own_systemd_is_not_started_by_hand(cgroup: str, count: int) -> None:
    own = process(71, ARGV, comm="uvicorn", exe="/usr/bin/python3.13", cwd="/srv/shop", uid=1000, cgroup=cgroup)
    made = node(site=SITE, running=[own], listening=sockets([tcp_row("127.0.0.1", 8000, 9)], {9: [71]}))
    assert len(learn_candidates(build_snapshot(Capture(TargetRef("local", ""), (made,), (), OPTIONS.pairs())))) == count


def test_what_systemd_run_made_is_remembered_as_started_by_hand() -> None:
    show = ("Id=shop.service\nLoadState=loaded\nActiveState=active\nMainPID=71\nFragmentPath={}/shop.service\n"
            "ExecStart={{ path=/usr/bin/uvicorn ; argv[]=/usr/bin/uvicorn shop:app --port 8000 ; ignore_errors=no }}\n")
    for folder, kept in (("/run/systemd/transient", ("shop", "none")), ("/etc/systemd/system", ("shop.service", "systemd"))):
        own = process(71, ARGV, comm="uvicorn", exe="/usr/bin/python3.13", cwd="/srv/shop", cgroup="/system.slice/shop.service")
        made = node(site=SITE, running=[own], listening=sockets([tcp_row("127.0.0.1", 8000, 9)], {9: [71]}),
                    show=show.format(folder))
        (found,) = learn_candidates(build_snapshot(Capture(TargetRef("local", ""), (made,), (), OPTIONS.pairs())))
        service = learned_service(found, b"", {}, {})
        assert (service.name, service.manager) == kept


def test_the_memory_as_bytes() -> None:
    kept = Learned("local", 5.0, WHERE, (MADE,))
    assert learned_from_json(learned_to_json(kept), "local", WHERE) == kept
    for damaged in (b"", b"{}", b'{"version": 2}', b'{"version": 1, "at": 1, "services": [{}]}'):
        assert learned_from_json(damaged, "local", WHERE) is None
