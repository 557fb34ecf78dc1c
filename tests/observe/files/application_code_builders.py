"""What the tests of fixer/observe/files/application_code.py and others are built of."""

from __future__ import annotations

from fixer.model.capture import NodeCapture
from fixer.model.query import Answer, Command
from tests.observe.capture_builders import file, node
from tests.observe.nginx.endpoints_builders import SHOW

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
UNIT = "[Service]\nWorkingDirectory=/srv/shop\nExecStart=/usr/bin/uvicorn app.main:app --port 8000\n"
JOURNAL = Command("journal", ("back.service", "200"))


def logged(text: str, unit: str = UNIT) -> NodeCapture:
    show = SHOW.format("back.service", "failed", 0).replace("Type=simple", "Type=simple\nWorkingDirectory=/srv/shop")
    lines = "".join(f"1700000000.1 box uvicorn[7]: {line}\n" for line in text.splitlines())
    return node({JOURNAL: Answer("ok", lines.encode())}, site=SITE, show=show,
                units=[file("/etc/systemd/system/back.service", unit)])
