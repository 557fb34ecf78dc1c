"""systemd's numbers for the steps before a program runs (systemd.exec(5), Process Exit Codes), as a unit's status."""

from __future__ import annotations

STEPS = {200: "CHDIR", 203: "EXEC", 216: "GROUP", 217: "USER", 226: "NAMESPACE"}
