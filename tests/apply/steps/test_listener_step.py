"""Waiting for a unix socket: the kernel's table keeps the name that it was bound with, be it relative."""

from __future__ import annotations

import pytest

from fixer.apply.steps.listener_step import has_listener
from fixer.model.plan import WaitForListener

HEAD = b"Num       RefCount Protocol Flags    Type St Inode Path\n"


@pytest.mark.parametrize(("bound", "there"), [
    ("/srv/shop/run/app.sock", True), ("run/app.sock", True), ("./run/app.sock", True), ("app.sock", True),
    ("pp.sock", False), ("/run/app.sock", False), ("@run/app.sock", False),
])
def test_a_name_as_it_was_bound(bound: str, there: bool) -> None:
    table = HEAD + f"0000: 00000002 00000000 00010000 0001 01 4711 {bound}\n".encode()
    step = WaitForListener("local", "", 0, "/srv/shop/run/app.sock", 1.0, "", "")
    assert has_listener(step, table) is there
