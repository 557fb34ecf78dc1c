"""What the tests of fixer/causes/backend_down/learned_start.py and others are built of."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.learned import Learned, LearnedService
from fixer.model.snapshot import FileContent, Snapshot
from tests.causes.snapshot_builders import NOW, Scene, file

WHERE = "/var/lib/badgateway/targets/local/learned.json"
ENV = "/srv/shop/.env"
START = "/srv/shop/start.sh"
SECRET = "se cret%1"
MADE = LearnedService(
    "uvicorn", "none", "uvicorn", ("/srv/shop/venv/bin/python3", "/srv/shop/venv/bin/uvicorn", "shop:app", "--port", "8000", "--x", "a b%$"),
    "/srv/shop", "svc", (("127.0.0.1", 8000, ""),), (("MODE", ENV), ("PYTHONPATH", "."), ("SHOP_KEY", START)),
)
FILES = (file(ENV, "MODE=plain\n# a remark\n"), file(START, f"#!/bin/sh\nexport SHOP_KEY='{SECRET}'\nnohup x &\n"))


def gone(made: LearnedService = MADE, files: tuple[FileContent, ...] = FILES, **node: object) -> Snapshot:
    scene = Scene().refused()
    scene.files += files
    scene.node_changes["local"] = {"init": "systemd", **node}
    return replace(scene.snapshot(), learned=(Learned("local", NOW - 86400, WHERE, (made,)),))
