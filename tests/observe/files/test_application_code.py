"""What is asked when an application's log complains: its own source files, and the systems that it needs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixer.formats.socket_tables import parse_connections
from fixer.hosts.machine.procfs import listening_inodes
from fixer.model.capture import NodeCapture
from fixer.model.query import Answer, Command, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Connection
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.commands.dependencies import POSTGRES_CONFIGS
from fixer.observe.files.application_code import SOURCE_LIMIT, entry_modules_query
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, link, node
from tests.observe.nginx.test_endpoints import SHOW

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
UNIT = "[Service]\nWorkingDirectory=/srv/shop\nExecStart=/usr/bin/uvicorn app.main:app --port 8000\n"
JOURNAL = Command("journal", ("back.service", "200"))
LISTING = Command("systemctl-units")
MAIN = ReadFile("/srv/shop/app/main.py", SOURCE_LIMIT)
IMPORT = ('  File "/srv/shop/app/main.py", line 3, in <module>\n'
          '  File "/usr/lib/python3/dist-packages/x.py", line 1\nModuleNotFoundError: No module named \'y\'\n')
REFUSED = 'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 failed: Connection refused\n'


def logged(text: str, unit: str = UNIT) -> NodeCapture:
    show = SHOW.format("back.service", "failed", 0).replace("Type=simple", "Type=simple\nWorkingDirectory=/srv/shop")
    lines = "".join(f"1700000000.1 box uvicorn[7]: {line}\n" for line in text.splitlines())
    return node({JOURNAL: Answer("ok", lines.encode())}, site=SITE, show=show,
                units=[file("/etc/systemd/system/back.service", unit)])


def asked(seen: NodeCapture) -> list[Query]:
    return follow_up_queries(capture(seen), ObserveOptions()).get("local", [])


def test_the_source_that_a_traceback_names_and_older_states_of_it() -> None:
    wanted = asked(logged(IMPORT))
    assert MAIN in wanted and ReadFile("/srv/shop/app/main.py.bak", SOURCE_LIMIT) in wanted
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


def test_units_of_the_system_in_question_are_looked_up() -> None:
    seen = logged(REFUSED)
    wanted = asked(seen)
    assert LISTING in wanted and POSTGRES_CONFIGS in wanted
    seen.answers[LISTING] = Answer("ok", b"--\npostgresql.service disabled enabled\npostgresql@.service indirect -\n"  # type: ignore[index]
                                         b"redis-server.service enabled enabled\n")
    seen.answers[POSTGRES_CONFIGS] = Answer("ok", files=(file("/etc/postgresql/17/main/postgresql.conf", "port = 5432\n"),))  # type: ignore[index]
    assert Command("systemctl-show", ("postgresql.service", "postgresql@17-main.service")) in asked(seen)
    assert "/etc/postgresql/17/main/postgresql.conf" in {f.path for f in build_snapshot(capture(seen)).files}


def test_the_journal_of_a_database_that_failed() -> None:
    seen = logged(REFUSED)
    more = seen.answers[Command("systemctl-show")].data.decode() + SHOW.format("postgresql@17-main.service", "failed", 0)
    seen.answers[Command("systemctl-show")] = Answer("ok", more.encode())  # type: ignore[index]
    assert Command("journal", ("postgresql@17-main.service", "200")) in asked(seen)


@pytest.mark.parametrize("text", ["all is well\n", "connection refused by somebody\n"])
def test_nobody_is_looked_up_without_a_complaint(text: str) -> None:
    assert not [q for q in asked(logged(text)) if q == POSTGRES_CONFIGS or (isinstance(q, Command) and q.name == "systemctl-units")]


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


def test_the_units_that_one_requires_are_looked_up_where_it_was_not_started_for_want_of_them() -> None:
    text = "Dependency failed for back.service - Office.\n"
    unit = file("/etc/systemd/system/back.service", UNIT.replace("[Service]", "[Unit]\nRequires=files other.service\n[Service]"))
    show = SHOW.format("back.service", "inactive", 0) + SHOW.format("files.service", "failed", 0)
    seen = node({JOURNAL: Answer("ok", f"1700000000.1 box systemd[1]: {text}".encode())}, site=SITE, show=show, units=[unit])
    wanted = asked(seen)
    assert Command("journal", ("files.service", "200")) in wanted
    assert Command("systemctl-show", ("other.service",)) in wanted
    calm = node({JOURNAL: Answer("ok", b"1700000000.1 box systemd[1]: Stopped\n")}, site=SITE, show=show, units=[unit])
    assert Command("journal", ("files.service", "200")) not in asked(calm)


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROWS = (
    "   0: 0100007F:A000 0100007F:1538 02 00000001:00000000 01:00000064 00000002   998        0 77 2 x\n"     # dials 5432
    "   1: 0100007F:A001 0100007F:1538 01 00000000:00000000 00:00000000 00000000   998        0 78 1 x\n"     # is connected
    "   2: 0100007F:A002 0100007F:1F40 01 00000000:00000000 00:00000000 00000000   998        0 79 1 x\n"     # to some port
    "   3: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 80 1 x\n"
    "   4: torn 01 line\n"
)


def test_connections_that_wait_and_those_to_a_system() -> None:
    files = (file("/proc/net/tcp", HEAD + ROWS), link("/proc/9/fd/3", "socket:[77]"))
    assert parse_connections(Answer("ok", files=files)) == (
        Connection("127.0.0.1", 5432, "dialing", 998, (9,), 2.0), Connection("127.0.0.1", 5432, "open", 998),
    )
    first = HEAD + ROWS.replace("01:00000064 00000002", "01:0000000A 00000000")
    assert parse_connections(Answer("ok", files=(file("/proc/net/tcp", first),)))[0].seconds_waited == 0.9
    assert parse_connections(None) == () == parse_connections(Answer("denied"))
    many = file("/proc/net/tcp", HEAD + "".join(ROWS.splitlines(keepends=True)[0].replace("1538", f"{n:04X}")
                                                for n in range(5000, 5100)))
    assert len(parse_connections(Answer("ok", files=(many,)))) == 64
    assert listening_inodes({"/proc/net/tcp": (HEAD + ROWS).encode()}) == {b"77", b"80"}


OURS, OTHER = "0100007F:A002", "0100007F:176F"      # 5999, a port that nothing tells of


def ends(ours: str, other: str = "") -> tuple[Connection, ...]:
    """Both ends of one connection as (tx:rx, retransmits, inode), and who holds ours."""
    rows = ""
    for place, said in ((f"{OURS} {OTHER}", ours), (f"{OTHER} {OURS}", other)):
        queues, repeats, inode = said.split() if said else ("", "", "")
        rows += f"   0: {place} 01 {queues} 01:00000064 {repeats}   998        0 {inode} 1 x\n" if said else ""
    held = listening_inodes({"/proc/net/tcp": (HEAD + rows).encode()})      # whose holders are looked for
    files = (file("/proc/net/tcp", HEAD + rows), *(link("/proc/9/fd/3", "socket:[77]") for inode in held if inode == b"77"))
    return parse_connections(Answer("ok", files=files))


NONE, EIGHT, SENT = "00000000:00000000", "00000000:00000008", "00000008:00000000"


@pytest.mark.parametrize(("ours", "other", "waits"), [
    (f"{NONE} 00000000 77", f"{EIGHT} 00000000 78", True),        # its program does not read
    (f"{NONE} 00000000 77", f"{EIGHT} 00000000 0", True),         # nor has it accepted
    (f"{NONE} 00000000 77", f"{NONE} 00000000 0", True),
    (f"{SENT} 00000003 77", "", True),                            # another machine does not say that it came
    (f"{SENT} 00000001 77", "", False), (f"{NONE} 00000000 77", "", False),
    (f"{NONE} 00000000 77", f"{NONE} 00000000 78", False),        # all is read: who waits for whom is not seen
    (f"{EIGHT} 00000000 77", f"{NONE} 00000000 78", False),       # it is ours that does not read
    (f"{NONE} 00000000 76", f"{EIGHT} 00000000 78", False),       # nobody knows who holds it
    (f"{NONE} zz 77", f"{EIGHT} 00000000 78", False),
])
def test_what_the_other_side_lets_lie_is_seen_on_any_port(ours: str, other: str, waits: bool) -> None:
    assert ends(ours, other) == ((Connection("127.0.0.1", 5999, "unread", 998, (9,)),) if waits else ())


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
