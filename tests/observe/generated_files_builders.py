"""A compose project whose nginx makes its files of templates at each start, and an application on another port."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fixer.diagnose.run_causes import diagnose
from fixer.model.capture import Capture
from fixer.model.diagnosis import Finding, Repair
from fixer.model.query import Answer, Command, FileAnswer, ListSockets, Query, ReadFile, ReadTree
from fixer.model.snapshot import Snapshot
from fixer.model.target import TargetKind
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.endpoints import resolve_query
from fixer.observe.view.observe_options import ObserveOptions
from tests.causes.snapshot_builders import finding_of
from tests.observe.capture_builders import (
    NOW,
    capture,
    file,
    node,
    probe_answer,
    process,
    sockets,
    tcp_row,
)

MAIN = "events {}\nhttp { include /etc/nginx/conf.d/*.conf; }\n"
TEMPLATE = "server {\n    listen 80;\n    location / {\n        proxy_pass http://${BACKEND};\n    }\n}\n"
MADE = TEMPLATE.replace("${BACKEND}", "api:8000")
COMPOSE = """services:
  web:
    image: nginx:1.26
    env_file: web.env
    volumes:
      - ./templates:/etc/nginx/templates:ro
  api:
    image: shop
    command: uvicorn app:app --host 0.0.0.0 --port 8001
"""
MOUNT = {"Type": "bind", "Source": "/srv/shop/templates", "Destination": "/etc/nginx/templates"}


@dataclass(frozen=True)
class Project:
    """What differs from one project to the next; `files` are those of the Docker host, by path."""

    template: str = TEMPLATE
    made: str = MADE
    compose: str = COMPOSE
    files: dict[str, str] = field(default_factory=lambda: {"/srv/shop/web.env": "BACKEND=api:8000\n"})
    env: tuple[str, ...] = ("BACKEND=api:8000", "PATH=/usr/bin")
    mounts: tuple[dict[str, str], ...] = (MOUNT,)
    tree: tuple[FileAnswer, ...] = ()
    hashes: str = "web hash-web\napi hash-api\n"
    listens: int = 8001
    kind: TargetKind = "compose"
    written: float = NOW - 299
    ending: str = ".template"
    script: str = ""

    def snapshot(self) -> Snapshot:
        return build_snapshot(self.capture())

    def capture(self) -> Capture:
        """The capture with all answers; connects to the application are refused, except at its own port."""
        made = self._capture({}, {})
        asked = follow_up_queries(made, ObserveOptions()).get("web", [])
        made = self._capture(answers := {q: Answer("ok", b"api 10.9.0.3\n") for q in asked if q == resolve_query("api")}, {})
        asked = follow_up_queries(made, ObserveOptions()).get("web", [])
        works = f"api:{self.listens}" in self.made
        others = ((port, 200 if port == self.listens else None) for port in (8000, 8001))
        for port, status in ((80, 200 if works else 502), *others):
            for probe in [q for q in asked if getattr(q, "port", 0) == port]:
                answers[probe] = probe_answer(status) if status else probe_answer(error="refused", errno=111, phase="connect")
        return self._capture(answers, {ReadFile(path): self._text(path) for path in self.files})

    def _text(self, path: str) -> Answer:
        return Answer("ok", files=(file(path, self.files[path]),))

    def _capture(self, web: dict[Query, Answer], engine: dict[Query, Answer]) -> Capture:
        started = NOW - 300
        tree = (file("/etc/nginx/nginx.conf", MAIN, mtime=NOW - 9000),
                file("/etc/nginx/conf.d/shop.conf", self.made, mtime=self.written),
                file(f"/etc/nginx/templates/shop.conf{self.ending}", self.template, mtime=NOW - 9000), *self.tree)
        boxes = [_inspect("web", ["sh", "/start.sh"], "10.9.0.2", self.env, started),
                 _inspect("api", ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", str(self.listens)], "10.9.0.3", (),
                          started)]
        boxes[0]["Mounts"] = list(self.mounts)
        texts = {"/srv/shop/compose.yaml": self.compose, **self.files}
        files: dict[Query, Answer] = {ReadFile(path): Answer("ok", files=(file(path, text),))
                                      for path, text in texts.items()}
        project = Command("docker-project", ("shop",))
        host = node({project: Answer("ok", json.dumps(boxes).encode()),
                     Command("compose-hash", ("shop", "*")): Answer("ok", self.hashes.encode()), **files, **engine},
                    name="engine", nginx=False)
        master = process(40, ["nginx: master process nginx -g daemon off;"], comm="nginx", exe="/usr/sbin/nginx")
        worker = process(41, ["nginx: worker process"], comm="nginx", ppid=40)
        front = node({ReadTree("/etc/nginx"): Answer("ok", files=tree),
                      ReadFile("/start.sh"): Answer("ok", files=(file("/start.sh", self.script),)),
                      ListSockets(): sockets([tcp_row("0.0.0.0", 80, 11)], {11: (40, 41)}), **web},
                     name="web", kind="container", nginx=False, running=[master, worker])
        words = ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", str(self.listens)]
        back = node({ListSockets(): sockets([tcp_row("0.0.0.0", self.listens, 12)], {12: (7,)})}, name="api",
                    kind="container", nginx=False, running=[process(7, words, comm="uvicorn")])
        return capture(front, back, host, kind=self.kind, address="shop")


def _inspect(name: str, argv: list[str], ip: str, env: tuple[str, ...], started: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Id": name * 8, "Name": f"/shop-{name}-1", "Path": argv[0], "Args": argv[1:], "Created": at,
        "State": {"Status": "running", "StartedAt": at, "Pid": 900},
        "Config": {"Image": "img", "Env": list(env), "Labels": {
            "com.docker.compose.project": "shop", "com.docker.compose.service": name,
            "com.docker.compose.project.working_dir": "/srv/shop",
            "com.docker.compose.project.config_files": "/srv/shop/compose.yaml",
            "com.docker.compose.config-hash": f"hash-{name}"}},
        "NetworkSettings": {"Networks": {"net": {"IPAddress": ip, "Aliases": [name]}}},
    }


def literal(**changes: Any) -> Project:
    """The official image's layout: the address stands in the template, which nginx's own variables surround."""
    text = TEMPLATE.replace("${BACKEND};", "api:8000;\n        proxy_set_header Host $host;")
    compose = COMPOSE.replace("    env_file: web.env\n", "")
    return replace(Project(template=text, made=text, compose=compose, files={}, env=("PATH=/usr/bin",)), **changes)


def in_environment(settings: str, value: str = "api:8000", **changes: Any) -> Project:
    """The address comes from `environment:` of the compose file, which `.env` may give its values."""
    compose = COMPOSE.replace("    env_file: web.env\n", f"    environment:\n{settings}")
    return replace(Project(compose=compose, files={}, env=(f"BACKEND={value}",)), **changes)


def wrong_port(project: Project) -> Finding:
    return finding_of(diagnose(project.snapshot()), "wrong-port")


def repair_of(project: Project) -> Repair:
    return wrong_port(project).repairs[0]
