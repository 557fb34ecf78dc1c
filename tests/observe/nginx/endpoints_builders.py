"""What the tests of fixer/observe/nginx/endpoints.py and others are built of."""

from __future__ import annotations

from fixer.model.query import FileAnswer
from tests.observe.capture_builders import file

UNIT = "[Service]\nExecStart=/usr/bin/uvicorn a:b --port {}\n"
SHOW = ("Id={0}\nNames={0}\nLoadState=loaded\nActiveState={1}\nSubState=x\nMainPID={2}\nType=simple\n"
        "FragmentPath=/etc/systemd/system/{0}\n\n")


def unit(name: str, port: int) -> FileAnswer:
    return file(f"/etc/systemd/system/{name}", UNIT.format(port))
