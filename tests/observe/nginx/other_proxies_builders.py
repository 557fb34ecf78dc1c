"""What the tests of fixer/observe/nginx/other_proxies.py and others are built of."""

from __future__ import annotations


def show(name: str, command: str, **changes: str) -> str:
    told = {"Id": name, "LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "MainPID": "0",
            "FragmentPath": f"/etc/systemd/system/{name}", "UnitFileState": "disabled", **changes}
    lines = [f"{key}={value}" for key, value in told.items()]
    program = command.split(maxsplit=1)[0]
    return "\n".join([*lines, f"ExecStart={{ path={program} ; argv[]={command} ; ignore_errors=no }}"]) + "\n"
