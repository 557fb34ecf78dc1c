"""What is kept of a lab whose trial went wrong: enough to look into it after the lab has gone."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from lab.errors import LabError
from lab.stack.docker_command import docker, labelled
from lab.stack.fixer_command import outside
from lab.stack.running_lab import Lab

_MACHINE = """
echo '# ps'; ps -eo pid,ppid,user,stat,args 2>/dev/null || true
echo '# listeners'; cat /proc/net/tcp /proc/net/tcp6 /proc/net/unix 2>/dev/null
echo '# units'; systemctl --no-pager --all list-units '*.service' '*.socket' 2>/dev/null
echo '# journal'; journalctl --no-pager -n 400 2>/dev/null
echo '# nginx -T'; nginx -T 2>&1
echo '# error log'; tail -n 200 /var/log/nginx/error.log 2>/dev/null
"""


def keep(lab: Lab, folder: Path) -> None:
    """Write the lab's record and files, its containers' state and logs, and fixer's own bundle into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lab.json").write_text(json.dumps(asdict(lab.record), indent=1), encoding="utf-8")
    shutil.copytree(lab.folder, folder / "files", dirs_exist_ok=True, symlinks=True)
    for container in labelled("container", lab.id):
        try:
            _keep_container(container, folder)
        except LabError as error:
            (folder / "not-kept.txt").write_text(f"{container}: {error.message}\n", encoding="utf-8")
    told = outside(lab, folder / "state").ask("collect", "-o", str(folder / "incident.tgz"))
    if told.code:
        (folder / "collect.txt").write_text(told.words, encoding="utf-8")


def _keep_container(container: str, folder: Path) -> None:
    name = docker("inspect", "-f", "{{.Name}}", container).text.strip("/")
    (folder / f"{name}.json").write_bytes(docker("inspect", container).out)
    logs = docker("logs", "--timestamps", "--tail", "2000", container, check=False, timeout=30.0)
    inside = docker("exec", "-u", "0", container, "sh", "-c", _MACHINE, check=False, timeout=30.0)
    (folder / f"{name}.txt").write_bytes(logs.out + logs.err + b"\n--- inside\n" + inside.out + inside.err)
