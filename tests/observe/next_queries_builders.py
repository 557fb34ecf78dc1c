"""What the tests of fixer/observe/next_queries.py and others are built of."""

from __future__ import annotations

import json

from fixer.model.capture import NodeCapture
from fixer.model.query import Answer, Command, Probe, Query, ReadFile
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, capture, file, node, probe_answer, sockets, tcp_row

SITE = "server { listen 80; server_name a.example; location / { proxy_pass http://127.0.0.1:8000; } }"
LISTENS = sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [7]})
ROUTE = Probe("127.0.0.1", 80, "/", host_header="a.example")
BACK = Probe("127.0.0.1", 8000, "/", host_header="a.example")
WELL = {ROUTE: probe_answer(200), BACK: probe_answer(200)}


def asked(seen: NodeCapture, options: ObserveOptions | None = None, name: str = "local") -> list[Query]:
    return follow_up_queries(capture(seen), options or ObserveOptions()).get(name, [])


def failure(seconds_ago: float, path: str = "/") -> str:
    import time

    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - seconds_ago))
    return (f'{stamp} [error] 41#41: *1 upstream timed out (110: Connection timed out) while reading response header from '
            f'upstream, client: 1.2.3.4, server: a.example, request: "GET {path} HTTP/1.1", upstream: "http://127.0.0.1:8000/", host: "a"\n')


SOCKET_SITE = "server { listen 80; server_name a.example; location / { proxy_pass http://unix:/run/shop/blue.sock:/; } }"


def project(*, status: str = "running", site: str = SITE) -> dict[str, list[Query]]:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.project.working_dir": "/srv/shop",
              "com.docker.compose.project.config_files": "/srv/shop/compose.yaml"}
    items = [{"Id": n * 20, "Name": f"/{n}", "Path": p, "State": {"Status": s}, "Config": {
                "Labels": {**labels, "com.docker.compose.service": n}},
              "Mounts": [{"Type": "bind", "Source": "/srv/shop/site", "Destination": "/etc/nginx/sites"}] if n == "web" else []}
             for n, p, s in (("web", "nginx", "running"), ("api", "uvicorn", status))]
    text = file("/srv/shop/compose.yaml", "services:\n  api:\n    env_file: api.env\n")
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode()),
                   ReadFile("/srv/shop/compose.yaml"): Answer("ok", files=(text,))}, name="engine", nginx=False)
    web = node(WELL, site=site, name="web", kind="container", listening=LISTENS)
    return follow_up_queries(capture(web, engine, kind="compose", address="shop"), ObserveOptions())
