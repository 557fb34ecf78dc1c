"""Tests of fixer/formats/ini_file.py."""

from __future__ import annotations

from fixer.formats.ini_file import ini_sections
from tests.observe.supervisord.supervisord_programs_builders import PROGRAM

SHOP = "/etc/supervisor/conf.d/shop.conf"


def test_sections_keep_their_places() -> None:
    section = ini_sections(SHOP, PROGRAM.encode())[0]
    assert (section.name, PROGRAM[: section.end].endswith("office")) == ("program:shop", True)
    command = section.get("command")
    assert command is not None
    assert PROGRAM[command.start :].startswith("/usr/bin/uvicorn shop:app\n    --host")
    assert "moved" not in command.value
    assert section.text("nothing", "x") == "x"
    assert ini_sections("f", b"loose = 1\n[a]\n= b\nk: v\n")[0].text("k") == "v"
    assert ini_sections("f", b"no section") == ()
