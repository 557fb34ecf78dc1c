"""What the tests of fixer/observe/supervisord/supervisord_programs.py and others are built of."""

from __future__ import annotations

import time

from fixer.model.query import Answer, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Service
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.view.node_view import MOST_PROGRAM_FILES
from tests.observe.capture_builders import NOW, capture, file, node, process

CONF = "/etc/supervisor/supervisord.conf"
SHOP = "/etc/supervisor/conf.d/shop.conf"
LOG = "/var/log/supervisor/supervisord.log"
MAIN = """; supervisor config file
[supervisord]
logfile=/var/log/supervisor/supervisord.log ; (main log file)
childlogdir=/var/log/supervisor
environment=ZONE="UTC"
[include]
files = /etc/supervisor/conf.d/*.conf
"""
PROGRAM = """[program:shop]   ; the office
command=/usr/bin/uvicorn shop:app
    --host 127.0.0.1 --port 8001 ; moved in May
directory=/srv/shop
environment=MODE="a,b",KEY='x y' , EMPTY=
"""
SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
DAEMON = process(60, ["/usr/bin/python3", "/usr/bin/supervisord", "-n", "-c", CONF], comm="supervisord",
                 cgroup="/system.slice/supervisor.service")
ARGV = ["/usr/bin/python3", "/usr/bin/uvicorn", "shop:app", "--host", "127.0.0.1", "--port", "8001"]
CHILD = process(71, ARGV, ppid=60, comm="uvicorn", cgroup="/system.slice/supervisor.service")
ERR = "/var/log/supervisor/shop-stderr---supervisor-x.log"


def stamp(ago: float) -> str:
    moment = NOW - ago
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + f",{int(moment % 1 * 1000):03d}"


def said(*lines: tuple[float, str]) -> str:
    return "".join(f"{stamp(ago)} INFO {text}\n" for ago, text in lines)


def answers(program: str = PROGRAM, log: str = "", err: str | None = None, main: str = MAIN) -> dict[Query, Answer]:
    listing = ReadGlob(("/var/log/supervisor/shop-stderr---*.log",), limit=1, max_files=MOST_PROGRAM_FILES)
    found: dict[Query, Answer] = {
        ReadFile(CONF): Answer("ok", files=(file(CONF, main),)),
        ReadGlob(("/etc/supervisor/conf.d/*.conf",), max_files=MOST_PROGRAM_FILES): Answer("ok", files=(file(SHOP, program),)),
        ReadFile(LOG, 1 << 16, tail=True): Answer("ok", files=(file(LOG, log),)),
    }
    if err is not None:
        found[listing] = Answer("ok", files=(file(ERR, "", mtime=NOW - 3),))
        found[ReadFile(ERR, 1 << 16, tail=True)] = Answer("ok", files=(file(ERR, err, mtime=NOW - 3),))
    return found


def shop(*running: list, show: str = "", **more: str | None) -> Service:
    made = node(answers(**more), site=SITE, running=running, show=show)  # type: ignore[arg-type]
    return next(s for s in build_snapshot(capture(made)).services if s.manager == "supervisord")
