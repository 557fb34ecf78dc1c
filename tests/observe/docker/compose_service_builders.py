"""What the tests of fixer/observe/docker/compose_service.py and others are built of."""

from __future__ import annotations

import json
from typing import Any

from fixer.model.query import Answer, Command, ReadFile
from fixer.model.snapshot import Service, Snapshot
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, file, node, process

SITE = "server { listen 80; location / { proxy_pass http://api:8000; } }"


def inspect(name: str, argv: list[str], *, ip: str, labels: dict[str, str] | None = None, status: str = "running",
            image: str = "img", env: list[str] | None = None) -> dict[str, object]:
    return {
        "Id": name * 8, "Name": f"/shop-{name}-1", "Path": argv[0], "Args": argv[1:], "State": {"Status": status},
        "Config": {"Image": image, "Env": env or [], "Labels": {
            "com.docker.compose.project": "shop", "com.docker.compose.service": name,
            "com.docker.compose.project.working_dir": "/srv/shop",
            "com.docker.compose.project.config_files": "/srv/shop/compose.yaml,/srv/shop/more.yaml",
            "com.docker.compose.config-hash": f"hash-{name}", **(labels or {})}},
        "NetworkSettings": {"Networks": {"net": {"IPAddress": ip, "Aliases": [name]}}},
    }


def seen_of(body: str, *, argv: list[str], more: str = "", files: dict[str, str] | None = None, env: list[str] | None = None,
         running: list[list[str]] | None = None, hashes: str = "", image: str = "img", refused: str = "",
         others: list[dict[str, object]] | None = None, mounts: list[dict[str, str]] | None = None) -> Snapshot:
    items = [*(others or ()), inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2"),
             inspect("api", argv, ip="10.9.0.3", env=env, image=image)]
    items[-1]["Mounts"] = mounts or []
    texts = {"/srv/shop/compose.yaml": f"services:\n  api:\n{body}", **(files or {})}
    if more:
        texts["/srv/shop/more.yaml"] = more
    answers = {ReadFile(p): Answer("ok", files=(file(p, t),)) for p, t in texts.items()}
    engine = node({**answers, Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode()),
                   Command("compose-hash", ("shop", "*")): Answer("ok", hashes.encode()) if not refused else Answer(
                       "failed", returncode=1, message=refused)}, name="engine", nginx=False)
    web = node(site=SITE, name="web", kind="container")
    own = [process(7 + i, words, comm=words[0]) for i, words in enumerate(running or [argv])]
    api = node(name="api", kind="container", nginx=False, running=own)
    seen = build_snapshot(capture(web, api, engine, kind="compose", address="shop"))
    assert seen.compose is not None
    return seen


def shop(body: str, **how: Any) -> Service:
    return next(s for s in seen_of(body, **how).services if s.name == "api")
