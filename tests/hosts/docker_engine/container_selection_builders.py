"""What the tests of fixer/hosts/docker_engine/container_selection.py and others are built of."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fixer.hosts.docker_engine.docker_cli import Inspected
from fixer.model.host import CommandResult


def item(name: str, *networks: str, lender: str = "", published: int = 0) -> Inspected:
    ports = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(published)}]} if published else {}
    mode = f"container:{lender}" if lender else (networks or ("none",))[0]
    return {"Id": name, "Name": f"/{name}", "Config": {"Labels": {}}, "State": {"Status": "running"},
            "HostConfig": {"NetworkMode": mode, "PortBindings": ports},
            "NetworkSettings": {"Networks": {net: {"Aliases": [name]} for net in networks}}}


ALL = {str(one["Id"]): one for one in (
    item("web", "front"), item("tunnel", "front", published=8080), item("ledger", lender="tunnel"), item("desk", lender="web"),
    item("stranger", "other"), item("theirs", lender="stranger"), item("apart"), item("host", "host"),
)}


def run(argv: Sequence[str], *, stdin: bytes = b"", **_: object) -> CommandResult:
    words = tuple(argv)
    if words[1] == "inspect":
        names = [name for name in words if name in ALL]
        return CommandResult(words, 0, json.dumps([ALL[name] for name in names]).encode(), b"")
    joined = {name: ",".join(one["NetworkSettings"]["Networks"]) or ("none" if name == "apart" else "") for name, one in ALL.items()}
    row = "{0}\t{1}" if words[-1].count("\t") == 1 else "{0}\t{0}\t\t{1}" if "\t" in words[-1] else "{0}"
    return CommandResult(words, 0, "".join(f"{row.format(*pair)}\n" for pair in joined.items()).encode(), b"")
