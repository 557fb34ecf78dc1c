"""Services: units with their wrappers and settings, processes started by hand, supervisors."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, FileAnswer, ReadFile
from fixer.model.snapshot import Service, Snapshot
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.editable_files import managed_by
from fixer.observe.services import evidence_of, stdout_query
from tests.observe.capture_builders import capture, file, node, process, sockets, stat, tcp_row
from tests.observe.nginx.test_endpoints import SHOW

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
PATH = "/etc/systemd/system/back.service"


def look(text: str = "", *, files: dict[str, str] | None = None, show: str = "", **more: object) -> Snapshot:
    answers = {ReadFile(p, 1 << 16): Answer("ok", files=(file(p, t),)) for p, t in (files or {}).items()}
    units = [file(PATH, f"[Service]\n{text}")] if text else []
    return build_snapshot(capture(node({**answers}, site=SITE, units=units, show=show or (SHOW.format("back.service", "active", 0) if text else ""),
                                 **more)))  # type: ignore[arg-type]


def back(text: str, **more: object) -> Service:
    return next(s for s in look(text, **more).services if s.name == "back.service")  # type: ignore[arg-type]


def port(service: Service) -> int:
    assert isinstance(service.bindings, Known)
    return service.bindings.value[0].port


@pytest.mark.parametrize(("text", "files", "expected"), [
    ("ExecStart=uvicorn a --port 81", {}, 81), ("Environment=P=82\nExecStart=uvicorn a --port ${P}", {}, 82),
    ("EnvironmentFile=-/etc/e\nEnvironment=P=82\nExecStart=uvicorn a --port $P", {"/etc/e": "P=83\n"}, 83),
    ("EnvironmentFile=/etc/gone\nEnvironment=P=82\nExecStart=uvicorn a --port $P", {}, 82),
    ("ExecStart=/srv/run", {"/srv/run": "#!/bin/sh\nexec uvicorn a --port 84\n"}, 84),
    ("WorkingDirectory=/srv\nExecStart=/bin/bash run.sh", {"/srv/run.sh": "exec ./inner\n", "/srv/inner": "#!/bin/sh\nuvicorn a --port 85\n"}, 85),
    ("WorkingDirectory=/srv\nExecStart=gunicorn a", {"/srv/gunicorn.conf.py": "workers = 3\nbind = ['127.0.0.1:86']\n"}, 86),
    ("ExecStart=gunicorn -c /etc/g.py a", {"/etc/g.py": 'bind = "unix:/run/g.sock"\n'}, 0),
    ("ExecStart=gunicorn -b :87 -c /etc/g.py a", {"/etc/g.py": 'bind = ":1"\n'}, 87),
    ("Environment=GUNICORN_CMD_ARGS=--config=/etc/g.py\nExecStart=gunicorn a", {"/etc/g.py": 'bind = ":88"\n'}, 88),
    ("Environment=GUNICORN_CMD_ARGS=--bind=:89\nExecStart=gunicorn a", {"/gunicorn.conf.py": 'bind = ":1"\n'}, 89),
    ("WorkingDirectory=/srv\nExecStart=python3 main.py", {"/srv/main.py": "import uvicorn\nuvicorn.run(a, port=88)\n"}, 88),
    ("ExecStart=uvicorn a --port 1\nExecStart=\nExecStart=uvicorn a --port 89", {}, 89),
    ("ExecStart=/bin/sh -c 'cd /x && exec uvicorn a --port 90'", {}, 90),
    ("ExecStart=/srv/run --port 91", {"/srv/run": '#!/bin/sh\nexec uvicorn a "$@"\n'}, 91),
    ("ExecStart=/srv/run 94", {"/srv/run": "#!/bin/sh\nexec uvicorn a --port ${1:-8000}\n"}, 94),
    ("ExecStart=/bin/sh -c 'exec uvicorn a \"$@\"' sh --port 92", {}, 92),
    ("ExecStart=/usr/sbin/runuser app -s /bin/sh -c 'uvicorn a --port 93'", {}, 93),
    ("ExecStart=/bin/su - app -c 'cd /x && exec uvicorn a --port 95'", {}, 95),
    ("ExecStart=/usr/bin/flock -w 3 /run/l -c 'uvicorn a --port 96'", {}, 96),
    ("ExecStart=/usr/bin/timeout 1d /srv/run", {"/srv/run": "#!/bin/sh\nexec nice uvicorn a --port 97\n"}, 97),
    ("ExecStart=/usr/bin/systemd-socket-activate -l 127.0.0.1:98 uvicorn a --fd 3", {}, 98),
    ("ExecStart=/usr/bin/systemd-socket-activate --listen=99 -E A gunicorn a", {}, 99),
])
def test_where_a_unit_says_its_port(text: str, files: dict[str, str], expected: int) -> None:
    assert port(back(text, files=files)) == expected


@pytest.mark.parametrize(("said", "told"), [
    ("bind = address\n", []), ("bind = f\"127.0.0.1:{os.environ['PORT']}\"\n", []),
    ("bind = os.environ.get('BIND', '127.0.0.1:81')\n", []), ("bind = [\n    '127.0.0.1:81',   # here\n    \":82\",\n]\n", [81, 82]),
    ("bind = ':81'\nbind = ':82'  # since May\n", [82]), ("# bind = ':81'\nbinding = ':82'\n", [8000]),
])
def test_where_the_settings_of_gunicorn_bind(said: str, told: list[int]) -> None:
    """What is told in more than plain words is not known: the server's default it is not."""
    found = back("ExecStart=gunicorn a", files={"/gunicorn.conf.py": said}).bindings
    assert isinstance(found, Known) and [b.port for b in found.value] == told


@pytest.mark.parametrize(("command", "said", "told"), [
    ("--ini /etc/a.ini", "[uwsgi]\nmodule = a\nsocket = 127.0.0.1:81\n", [(81, None)]),
    ("--ini=/etc/a.ini", "[uwsgi]\n# socket = :80\nsocket = /run/a.sock\nhttp-socket = :82\n", [(0, "/run/a.sock"), (82, None)]),
    ("/etc/a.ini", "[other]\nsocket = :80\n[uwsgi]\nsocket=:81\n", [(81, None)]),
    ("--ini /etc/a.ini", "[uwsgi]\nsocket = /run/%n.sock\n", [(0, "/run/a.sock")]),
    ("--ini /etc/a.ini", "[uwsgi]\nsocket = /run/%(base).sock\n", []), ("--ini /etc/a.ini", "[uwsgi]\nmodule = a\n", []),
    ("--socket :83 --ini /etc/a.ini", "[uwsgi]\nsocket = :81\n", [(83, None)]),
    ("--ini /etc/a.ini", "[uwsgi]\nsocket = a.sock\n", [(0, "/srv/a/a.sock")]),
    ("--ini /etc/a.ini", "[uwsgi]\nchdir = /opt/a\nsocket = a.sock\n", [(0, "/opt/a/a.sock")]),
    ("--ini /etc/a.ini", "[uwsgi]\nchdir = %d\nsocket = a.sock\n", []),
])
def test_where_the_ini_file_of_uwsgi_puts_its_sockets(command: str, said: str, told: list[tuple[int, str | None]]) -> None:
    found = back(f"WorkingDirectory=/srv/a\nExecStart=uwsgi {command}", files={"/etc/a.ini": said}).bindings
    assert [(b.port, b.unix) for b in found.value] == told if isinstance(found, Known) else not told


VASSAL = "[uwsgi]\nsocket = /run/uwsgi/%n.sock\n"


@pytest.mark.parametrize(("command", "files", "told"), [
    ("/usr/bin/uwsgi --emperor /etc/v", {"/etc/v/a.ini": VASSAL, "/etc/v/b.ini": "[uwsgi]\nhttp-socket = :81\n"},
     [(0, "/run/uwsgi/a.sock"), (81, None)]),
    ("/usr/bin/uwsgi --emperor /etc/v/*.ini", {"/etc/v/a.ini": VASSAL, "/etc/v/old/b.ini": VASSAL}, [(0, "/run/uwsgi/a.sock")]),
    ("/usr/bin/uwsgi --ini /etc/e.ini", {"/etc/e.ini": "[uwsgi]\nemperor = /etc/v\n", "/etc/v/a.ini": VASSAL},
     [(0, "/run/uwsgi/a.sock")]),
    ("/etc/init.d/uwsgi start", {"/etc/uwsgi/apps-enabled/a.ini": "[uwsgi]\nsocket = 127.0.0.1:81\n"},
     [(81, None), (0, "/run/uwsgi/app/a/socket")]),
    ("/usr/bin/uwsgi --emperor /etc/v", {"/etc/w/a.ini": VASSAL}, []),
])
def test_where_the_applications_of_an_emperor_listen(
    command: str, files: dict[str, str], told: list[tuple[int, str | None]],
) -> None:
    found = back(f"ExecStart={command}", files=files).bindings
    assert isinstance(found, Known) and [(b.port, b.unix) for b in found.value] == told


@pytest.mark.parametrize(("command", "files", "serves"), [
    ("/usr/bin/uwsgi --emperor /etc/v", {}, False), ("/etc/init.d/uwsgi start", {"/etc/uwsgi/apps-enabled/README": "x"}, False),
    ("/usr/bin/uwsgi --ini /etc/e.ini", {"/etc/e.ini": "[uwsgi]\nemperor = /etc/v\n"}, False),
    ("/usr/bin/uwsgi --emperor /etc/v", {"/etc/v/a.ini": VASSAL}, True), ("/usr/bin/uwsgi --ini /etc/a.ini", {}, True),
])
def test_a_uwsgi_that_keeps_no_application_is_none(command: str, files: dict[str, str], *, serves: bool) -> None:
    """As its package brings it: it was taken for an equal of the application that is missed."""
    assert back(f"ExecStart={command}", files=files).is_app_server is serves


@pytest.mark.parametrize(("lines", "path"), [
    ("RootDirectory=/srv/jail\n", "/srv/jail/run/web.sock"), ("RootDirectory=/\n", "/run/web.sock"),
    ("RootDirectory=/srv/jail\nBindPaths=/var/spool/web:/run\n", "/var/spool/web/web.sock"),
    ("RootDirectory=/srv/jail\nBindPaths=/run\nBindReadOnlyPaths=/usr\n", "/run/web.sock"),
    ("RootDirectory=/srv/jail\nRootDirectory=\n", "/run/web.sock"), ("RootImage=/srv/jail.raw\n", None),
])
def test_the_socket_of_a_unit_with_a_root_of_its_own_is_where_the_machine_sees_it(lines: str, path: str | None) -> None:
    told = back(f"{lines}ExecStart=/usr/bin/gunicorn -b unix:/run/web.sock main:app\n").bindings
    assert isinstance(told, Known) and [(b.unix, b.start is None) for b in told.value] == (
        [] if path is None else [(path, path != "/run/web.sock")])


def test_a_file_of_gunicorn_that_is_named_and_not_there_leaves_no_default() -> None:
    """It may have said any port: nginx was said to ask for another than 8000."""
    told = back("ExecStart=/usr/bin/gunicorn -c /etc/gunicorn/shop.py main:app\n").bindings
    assert not isinstance(told, Known) or not told.value
    plain = back("ExecStart=/usr/bin/gunicorn main:app\n").bindings
    assert isinstance(plain, Known) and [b.port for b in plain.value] == [8000]


def test_workers_of_gunicorns_own_file() -> None:
    found = back("WorkingDirectory=/srv\nExecStart=gunicorn a", files={"/srv/gunicorn.conf.py": "workers = 3\n"})
    assert isinstance(found.workers, Known) and found.workers.value == 3
    assert found.workers.evidence[0].where == "/srv/gunicorn.conf.py:1" and found.workers.evidence[0].text == "workers = 3"
    assert isinstance(back("ExecStart=gunicorn -w 2 a", files={"/gunicorn.conf.py": "workers = 3\n"}).workers, Known)


def test_specifiers_of_systemd() -> None:
    show = SHOW.format("back@81.service", "active", 0).replace("back@81.service\n\n", "back@.service\n\n")
    seen = look(show=show, files={"/etc/systemd/system/back@.service": "[Service]\nExecStart=uvicorn %p --port %i --x 5%%\n"})
    found = next(s for s in seen.services if s.name == "back@81.service")
    assert port(found) == 81 and "5%" in [w.text for w in found.command] and "back" in [w.text for w in found.command]


def test_a_unit_whose_files_were_not_read() -> None:
    show = SHOW.format("back.service", "active", 0) + "ExecStart={ path=/x ; argv[]=/srv/run ; ignore_errors=no }\n"
    hidden = show.replace("\n\nExecStart", "\nExecStart")
    found = next(s for s in look(show=hidden).services if s.name == "back.service")
    assert isinstance(found.bindings, Unknown) and "/srv/run" in found.bindings.reason and found.runtime == "binary"


def test_a_running_process_that_differs_from_its_files() -> None:
    main = process(9, ["uvicorn", "a", "--port", "8000"], cgroup="/system.slice/back.service")
    found = back("ExecStart=uvicorn a --port 9000", show=SHOW.format("back.service", "active", 9), running=[main])
    assert isinstance(found.bindings, Known) and [b.port for b in found.bindings.value] == [9000, 8000]
    assert found.bindings.value[1].source.where == "pid 9" and found.argv[0] == "uvicorn" and found.pids == (9,)


@pytest.mark.parametrize(("argv", "state"), [
    (["/usr/lib/systemd/systemd-executor", "--deserialize", "36"], "S"),     # between fork and exec
    ([""], "S"), (["uvicorn"], "Z"),                                            # it has just ended
])
def test_a_process_that_is_not_yet_or_no_more_what_was_started(argv: list[str], state: str) -> None:
    main = process(9, argv, cgroup="/system.slice/back.service", state=state)
    found = back("ExecStart=uvicorn office.main:app", show=SHOW.format("back.service", "active", 9), running=[main])
    assert found.argv == ("uvicorn", "office.main:app")


def test_a_main_process_outside_of_its_cgroup() -> None:
    found = back("ExecStart=uvicorn a", show=SHOW.format("back.service", "active", 9), running=[process(9, ["uvicorn", "a"])])
    assert found.pids == (9,)


def test_places_for_a_variable() -> None:
    text = "EnvironmentFile=/etc/e\nExecStart=uvicorn a"
    found = back(text, files={"/etc/e": "A=1"})
    assert [(s.file, s.style) for s in found.env_slots] == [("/etc/e", "env-file"), (PATH, "unit")]
    slot = found.env_slots[1]
    data = f"[Service]\n{text}"
    assert data[: slot.offset] + slot.template.format(name="K", value="v") + data[slot.offset :] == f"[Service]\nEnvironment=K=v\n{text}"
    assert [e.name for e in found.env] == ["A"] and found.env[0].defined_in == "/etc/e:1"
    assert back("Description=x").env_slots[0].style == "unit"


def test_templates_and_units_that_are_not_there() -> None:
    show = SHOW.format("a@.service", "inactive", 0) + SHOW.format("gone.service", "inactive", 0).replace("=loaded", "=not-found")
    assert [s.name for s in look(show=show).services if s.unit] == []


def bare(*running: list[FileAnswer], **more: object) -> list[Service]:
    return [s for s in look(running=list(running), **more).services if s.unit is None and "nginx" not in s.name]  # type: ignore[arg-type]


def test_processes_started_by_hand_are_one_service() -> None:
    shell = process(5, ["-bash"], comm="bash", cgroup="/user.slice/session-1.scope")
    top = process(6, ["python3", "/usr/bin/uvicorn", "a", "--workers", "2"], ppid=5, comm="uvicorn")
    child = process(7, ["python3", "-c", "spawn"], ppid=6)
    (found,) = bare(shell, top, child, listening=sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [6, 7]}))
    assert (found.id, found.manager, found.pids) == ("local/uvicorn[6]", "none", (6, 7)) and found.is_app_server
    assert isinstance(found.workers, Known) and found.workers.value == 2 and evidence_of(found).where == "pid 6"


def test_a_supervised_process() -> None:
    above = process(5, ["/usr/bin/python3", "/usr/bin/supervisord", "-n"], comm="supervisord")
    (found,) = [s for s in bare(above, process(6, ["uvicorn", "a"], ppid=5)) if s.runtime == "uvicorn"]
    assert found.manager == "supervisord" and found.pids == (6,)


def test_what_a_keeper_starts_is_not_its_units() -> None:
    """In the cgroup of runit's own unit, or of cron's, lies what they start: somebody's program, not theirs."""
    group = "/system.slice/runit.service"
    scanner = process(5, ["/usr/bin/runsvdir", "-P", "/etc/service"], cgroup=group)
    watcher, logger = (process(number, words, ppid=5, cgroup=group) for number, words in (
        (6, ["runsv", "shop"]), (9, ["svlogd", "-tt", "/var/log/shop"])))
    server = process(7, ["/usr/bin/python3", "/usr/bin/uvicorn", "a:b"], ppid=6, cgroup=group, uid=1001)
    worker = process(8, ["renamed"], ppid=7, cgroup=group, uid=1001)
    line = "ExecStart={{ path={0} ; argv[]={0} -P /etc/service ; ignore_errors=no }}\n\n"
    show = SHOW.format("runit.service", "active", 5).rstrip() + "\n" + line

    def held(program: str) -> list[tuple[str, tuple[int, ...]]]:
        seen = look(running=[scanner, watcher, logger, server, worker], show=show.format(program))
        return [(s.name, tuple(sorted(s.pids))) for s in seen.services if "nginx" not in s.name]

    assert held("/usr/bin/runsvdir") == [("runit.service", (5, 6, 9)), ("uvicorn[7]", (7, 8))]
    assert held("/usr/bin/shopd") == [("runit.service", (5, 6, 7, 8, 9))]


def test_what_serves_beside_nginx_in_a_container_is_a_service_of_its_own() -> None:
    """Else a container whose script starts both was said to hold no application server at all."""
    running = [process(1, ["bash", "/entry.sh"]), process(7, ["python3", "-m", "uvicorn", "a:b"], comm="uvicorn")]
    for nginx, expected in ((True, ["uvicorn[7]"]), (False, [])):
        made = node(site=SITE, running=running, nginx=nginx, kind="container", name="web")
        assert [s.name for s in build_snapshot(capture(made)).services if s.is_app_server] == expected


def test_the_log_of_a_process() -> None:
    asked = stdout_query(6)
    entry = FileAnswer("/proc/6/fd/1", "ok", stat("link", link="/tmp/back.log"), b"one\ntwo\n")
    seen = build_snapshot(capture(node({asked: Answer("ok", files=(entry,))}, site=SITE, running=[process(6, ["uvicorn", "a"])])))
    (found,) = [s for s in seen.services if s.runtime == "uvicorn"]
    assert isinstance(found.log, Known) and [line.text for line in found.log.value] == ["one", "two"]
    (silent,) = bare(process(6, ["uvicorn", "a"]))
    assert silent.log == Unknown("not asked")
    pipe = FileAnswer("/proc/6/fd/1", "ok", stat("link", link="pipe:[5]"))
    seen = build_snapshot(capture(node({asked: Answer("ok", files=(pipe,))}, site=SITE, running=[process(6, ["uvicorn", "a"])])))
    assert [s.log for s in seen.services if s.runtime == "uvicorn"] == [Unknown("its output goes to no file")]


def test_ids_are_unique() -> None:
    show = SHOW.format("a.service", "active", 0) + SHOW.format("b.service", "active", 0)
    ids = [s.id for s in look(show=show).services]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("header", "name"), [
    ("# Ansible managed: do not edit\n", "Ansible"), ("# This file is managed by Puppet\n", "Puppet"), ("# Generated by Chef\n", "Chef"),
    ("; managed by Salt\n", "Salt"), ("# generated by cloud-init\n", "cloud-init"), ("# DO NOT EDIT\n", "a generator"),
    ("server {\n  listen 443; # managed by Certbot\n}\n", "certbot"), ("# mine\n", ""), ("echo do not edit\n", ""),
])
def test_who_manages_a_file(header: str, name: str) -> None:
    assert managed_by(header.encode()) == name


def test_evidence_of_units() -> None:
    found = back("ExecStart=uvicorn a")
    assert evidence_of(found).text == "active (x)"


@pytest.mark.parametrize("shared", [True, False])
def test_a_server_that_podman_keeps_for_a_unit_in_the_nodes_own_network(shared: bool) -> None:
    """In a network of its own its port says nothing of this node."""
    group = "/system.slice/back.service"
    running = [process(20, ["/usr/bin/conmon", "-n", "quote"], comm="conmon", cgroup=group),
               process(21, ["/usr/bin/python3", "/usr/bin/uvicorn", "a:b", "--port", "8622"], ppid=20, comm="uvicorn", cgroup=group)]
    listening = sockets([tcp_row("127.0.0.1", 8622, 77)], {77: [21]}) if shared else sockets([], {})
    found = back("ExecStart=/usr/bin/podman start quote", running=running, listening=listening,
                 show=SHOW.format("back.service", "active", 20))
    assert found.is_app_server is shared and (found.runtime == "uvicorn") is shared
    if shared:
        assert port(found) == 8622 and found.env_slots == ()      # what its container was made with stands in no unit


def test_who_runs_in_the_session_that_su_opened_belongs_to_the_unit() -> None:
    opened = "/user.slice/user-9.slice/session-c1.scope"
    service = back("ExecStart=/bin/su - app -c 'uvicorn a --port 81'", show=SHOW.format("back.service", "active", 9), running=[
        process(9, ["/bin/su", "-", "app", "-c", "uvicorn a --port 81"], cgroup=opened),
        process(10, ["/usr/bin/python3", "/usr/bin/uvicorn", "a", "--port", "81"], ppid=9, cgroup=opened)])
    assert service.pids == (9, 10)
