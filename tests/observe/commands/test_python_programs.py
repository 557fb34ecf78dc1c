"""What the code of a program at rest says of its port, and which units are looked at for it."""

from __future__ import annotations

import pytest

from fixer.formats.shell_words import literal_word
from fixer.model.query import Answer, Command, Query, ReadFile
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.commands.python_programs import bindings_in_code, is_no_web_program, program_paths
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node, process, sockets, tcp_row, view
from tests.observe.nginx.endpoints_builders import SHOW
from tests.observe.services_builders import look

AT_REST = SHOW.format("back.service", "inactive", 0)
SERVES = "from http.server import HTTPServer\n"


def ports(text: str, **env: str) -> list[int]:
    return [b.port for b in bindings_in_code("/srv/a.py", text.encode(), {k: literal_word(v) for k, v in env.items()})]


@pytest.mark.parametrize("text", [
    'HTTPServer(("127.0.0.1", 7301), H).serve_forever()\n',
    'PORT = 7301\nHTTPServer(("", PORT), H)\n',
    'HOST, NAME = "", 1\nPORT: int = 7301  # ours\nsrv = ThreadingHTTPServer((HOST, PORT), H)\n',
    'make_server("127.0.0.1", 7301, app)\n',
    's.bind(("127.0.0.1", 7301))\ns.listen(128)\n',
    'server = await asyncio.start_server(\n    handle, "127.0.0.1", 7301)\n',
    'port = int(os.environ.get("PORT", "7301"))\nuvicorn.run(app, host="127.0.0.1", port=port)\n',
    'PORT = int(os.getenv("PORT") or 7301)\nHTTPServer(("", PORT), H)\n',
    'p.add_argument("--port", type=int, default=7301)\nHTTPServer(("", args.port), H)\n',
    'app.listen(7301)\n', 'serve(app, listen="127.0.0.1:7301")\n',
])
def test_the_port_that_the_code_binds(text: str) -> None:
    assert ports(text) == [7301]


@pytest.mark.parametrize("text", [
    '# HTTPServer(("", 7301), H)\n', '"""\nHTTPServer(("", 7301), H)\n"""\n', "PORT = 7301\n",
    'socket.create_connection(("127.0.0.1", 7301))\n', 'PORT = 7301\nPORT = 7302\nHTTPServer(("", PORT), H)\n',
    "def listen(port=7301):\n    pass\n", 'subprocess.run("x", 7301)\n', 'HTTPServer(("", find()), H)\n',
    'requests.get("http://127.0.0.1:7301")\n', 'HTTPServer(("", 99999), H)\n', "PORT = PORT\nHTTPServer(('', PORT), H)\n",
])
def test_what_binds_nothing_there(text: str) -> None:
    assert not ports(text)


def test_a_variable_of_the_unit_goes_before_what_the_code_falls_back_to() -> None:
    text = 'HTTPServer(("", int(os.environ.get("WEB", 7301))), H)\n'
    assert (ports(text), ports(text, WEB="7302"), ports(text, WEB="x")) == ([7301], [7302], [])


def test_hostile_code_takes_no_time() -> None:
    for text in ("PORT = " + " " * 60000, "add_argument(" * 5000, '"""' * 20001, "bind(" * 10000, "a" * 60000):
        assert not ports(text + '\nHTTPServer(("", PORT), H)\nHTTPServer(("", args.port), H)\n')


@pytest.mark.parametrize(("show", "expected"), [
    (AT_REST, ((7301, "/srv/a.py:2"),)), (SHOW.format("back.service", "active", 0), ()),
    (AT_REST.replace("Type=simple", "Type=oneshot"), ()), (AT_REST.replace("LoadState=loaded", "LoadState=masked"), ()),
])
def test_of_a_unit_at_rest_alone(show: str, expected: tuple[tuple[int, str], ...]) -> None:
    seen = look("ExecStart=/usr/bin/python3 /srv/a.py", show=show,
                files={"/srv/a.py": SERVES + 'HTTPServer(("", 7301), H)\n'})
    (service,) = [s for s in seen.services if s.name == "back.service"]
    assert tuple((b.port, b.source.where) for b in service.code_bindings) == expected


def test_a_port_that_the_unit_is_told_leaves_the_code_unread() -> None:
    seen = look("Environment=PORT=7302\nExecStart=/usr/bin/python3 /srv/a.py", show=AT_REST,
                files={"/srv/a.py": SERVES + 'HTTPServer(("", 7301), H)\n'})
    (service,) = [s for s in seen.services if s.name == "back.service"]
    assert not service.code_bindings


LISTING = Command("systemctl-units")
OTHER = file("/etc/systemd/system/other.service", "[Service]\nExecStart=/srv/bin/uvicorn a:app --port 7400\n")
SITE = "server {{ listen 80; location / {{ proxy_pass http://127.0.0.1:{}; }} }}"
PACKAGED = AT_REST.replace("/etc/", "/usr/lib/").replace(
    "Type=simple", "Type=simple\nExecStart={ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 /srv/a.py ; ignore_errors=no ; }",
)
CODE = ReadFile("/srv/a.py", 64 << 10)


def asked(answers: dict[Query, Answer], port: int = 7301) -> list[Query]:
    made = node({**answers}, site=SITE.format(port), units=[OTHER], show=SHOW.format("other.service", "active", 5),
                running=[process(5, ["/srv/bin/uvicorn", "a:app"], cgroup="/system.slice/other.service")],
                listening=sockets([tcp_row("127.0.0.1", 7400, 900)], {5: [900]}))
    return follow_up_queries(capture(made), ObserveOptions()).get("local", [])


def test_beside_an_application_that_runs_the_packaged_ones_are_looked_up_where_nobody_explains_the_empty_port() -> None:
    shown = Command("systemctl-show", ("back.service",))
    listed: dict[Query, Answer] = {LISTING: Answer("ok", b"--\nback.service disabled enabled\n")}
    known = {**listed, shown: Answer("ok", PACKAGED.encode())}
    assert LISTING in asked({}) and shown in asked(listed) and CODE in asked(known)
    code = Answer("ok", files=(file("/srv/a.py", SERVES + 'HTTPServer(("", 7301), H)\n'),))
    made = build_snapshot(capture(node({**known, CODE: code}, site=SITE.format(7301))))
    assert [b.port for s in made.services if s.name == "back.service" for b in s.code_bindings] == [7301]


def test_where_somebody_answers_no_list_is_asked_for() -> None:
    assert LISTING not in asked({}, 7400)


def test_where_a_program_stands() -> None:
    assert program_paths(["python3", "a.py"], "/srv") == ("/srv/a.py",)
    assert program_paths(["/opt/a/run.py", "-v"], "/") == ("/opt/a/run.py",) and program_paths(["/opt/a/run"], "/") == ()
    assert program_paths(["python3", "-u", "-m", "shop.web"], "/srv") == ("/srv/shop/web.py", "/srv/shop/web/__main__.py")
    assert program_paths(["python3", "-c", "x"], "/srv") == () and program_paths(["uvicorn", "x"], "/srv") == ()


def test_a_program_is_judged_by_its_source() -> None:
    seen = view(file("/srv/echo.py", "import socketserver"), file("/srv/web.py", "from flask import Flask"))
    assert is_no_web_program(["python3", "/srv/echo.py"], "/", seen)
    assert not is_no_web_program(["python3", "web.py"], "/srv", seen)
    live = view(file("/srv/live.py", "import asyncio, websockets"), file("/srv/rpc.py", "s = grpc.aio.server()"),
                file("/srv/caller.py", "c = grpc.insecure_channel(x)"))
    assert [is_no_web_program(["python3", f"/srv/{name}.py"], "/", live) for name in ("live", "rpc", "caller")] == [False, False, True]
    assert not is_no_web_program(["python3", "/srv/unread.py"], "/", seen)
    assert not is_no_web_program(["python3", "/srv/echo.py"], "/", None)


def code_ports(command: str, **files: str) -> list[tuple[int, str]]:
    seen = look(f"WorkingDirectory=/srv\nExecStart={command}", show=AT_REST, files={f"/srv/{name.replace('_', '.')}": text for name, text in files.items()})
    (service,) = [s for s in seen.services if s.name == "back.service"]
    return [(b.port, b.source.where) for b in service.code_bindings]


def test_what_a_settings_file_of_the_command_says_goes_before_the_code() -> None:
    own = SERVES + 'HTTPServer(("", 7301), H)\n'
    assert code_ports("/usr/bin/python3 a.py --config=a.ini", a_py=own, a_ini="[web]\nport = 7302\n") == [(7302, "/srv/a.ini:2")]
    assert code_ports("/usr/bin/python3 a.py --config=a.ini", a_py=own, a_ini="[db]\nport = 5432\n") == [(7301, "/srv/a.py:2")]
    assert code_ports("/srv/run -c b.json -c c.toml", b_json='{"port": 7303}', c_toml="[web]\nlisten = ':7304'\n") == [(7304, "/srv/c.toml:2")]
    assert not code_ports("/srv/run -c b.json", b_json='{"redis": {"port": 7303}}')


def test_settings_of_a_packaged_unit_at_rest_are_read_where_a_port_is_empty() -> None:
    shown = Command("systemctl-show", ("back.service",))
    unit = PACKAGED.replace("/usr/bin/python3 /srv/a.py", "/srv/run --config=/etc/shop.yaml")
    listed: dict[Query, Answer] = {LISTING: Answer("ok", b"--\nback.service disabled enabled\n"), shown: Answer("ok", unit.encode())}
    assert ReadFile("/etc/shop.yaml", 64 << 10) in asked(listed)
