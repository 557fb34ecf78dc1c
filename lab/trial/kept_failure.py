"""Files of a lab under trial: all that a repair may change, what a failed trial keeps, and a finding's evidence."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from lab.errors import LabError
from lab.scenario.scenario_file import Role
from lab.stack.docker_command import labelled_ids
from lab.stack.docker_engine import execute, inspect, logs_of, read_file
from lab.stack.fixer_command import fixer_outside
from lab.stack.running_lab import Lab
from lab.trial.manifest import ROOTS, Manifest, container_manifest, folder_manifest, machine_manifest


def lab_manifest(lab: Lab) -> Manifest:
    """Return every file of a lab that a repair may change: in its folder, machine or all-in-one container."""
    kept = dict(folder_manifest(lab.folder))
    if lab.stack == "host":
        return kept | dict(machine_manifest(lab.container(), ROOTS))
    return kept | dict(container_manifest(lab.container(), ROOTS)) if lab.stack == "all-in-one" else kept


_MACHINE_SCRIPT = """
echo '# ps'; ps -eo pid,ppid,user,stat,args 2>/dev/null || true
echo '# listeners'; cat /proc/net/tcp /proc/net/tcp6 /proc/net/unix 2>/dev/null
echo '# units'; systemctl --no-pager --all list-units '*.service' '*.socket' 2>/dev/null
echo '# journal'; journalctl --no-pager -n 400 2>/dev/null
echo '# nginx -T'; nginx -T 2>&1
echo '# error log'; tail -n 200 /var/log/nginx/error.log 2>/dev/null
"""


def save_failure(lab: Lab, folder: Path) -> None:
    """Write the lab's record and files, its containers' state and logs, and fixer's own bundle into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lab.json").write_text(json.dumps(asdict(lab.record), indent=1), encoding="utf-8")
    shutil.copytree(lab.folder, folder / "files", dirs_exist_ok=True, symlinks=True)
    for container in labelled_ids("container", lab.id):
        try:
            _save_container(container, folder)
        except LabError as error:
            (folder / "not-kept.txt").write_text(f"{container}: {error.message}\n", encoding="utf-8")
    told = fixer_outside(lab, folder / "state").ask("collect", "-o", str(folder / "incident.tgz"))
    if told.code:
        (folder / "collect.txt").write_text(told.output, encoding="utf-8")


def _save_container(container: str, folder: Path) -> None:
    seen = inspect(container)
    name = str(seen.get("Name", container)).strip("/")
    (folder / f"{name}.json").write_text(json.dumps([seen], indent=4), encoding="utf-8")
    log = logs_of(container, tail=2000, timestamps=True)
    inside = execute(container, ["timeout", "30", "sh", "-c", _MACHINE_SCRIPT], user="0", check=False)
    (folder / f"{name}.txt").write_bytes(log + b"\n--- inside\n" + inside.out + inside.err)


# Checks that evidence points at real files and lines with the quoted text.
_FILE_LINE = re.compile(r"(?:(?P<node>[\w.-]+):)?(?P<path>/[^:\0]+):(?P<line>\d+)")


def evidence_problems(lab: Lab, evidence: Iterable[Mapping[str, str]]) -> list[str]:
    """Return what is wrong with the evidence of a finding."""
    entries = list(evidence)
    if not entries:
        return ["no evidence"]
    problems = [f"evidence of {entry['source']} is empty" for entry in entries
                if not entry["where"].strip() or not entry["text"].strip()]
    return problems + [problem for entry in entries if (problem := _check_line(lab, entry))]


def _check_line(lab: Lab, entry: Mapping[str, str]) -> str:
    """Return a problem unless a quoted configuration line is at the given position."""
    place = _FILE_LINE.fullmatch(entry["where"]) if entry["source"] in ("nginx-config", "file") else None
    if place is None:
        return ""
    data = _read_evidence_file(lab, place["path"])
    if data is None:
        return f"evidence names {place['path']}, which does not exist"
    lines = data.decode("utf-8", "replace").splitlines()
    number = int(place["line"])
    quoted = re.sub(r"\s+", " ", entry["text"].strip()).rstrip(";")
    near = re.sub(r"\s+", " ", " ".join(lines[number - 1 : number + 4]))
    # A value may be masked, and a word that got a mask may have got quotes: compare the text before the mask.
    visible = re.split(r"\*\*\*|•|<redacted>|\[redacted\]|\[masked \d+\]|…", quoted)[0].replace('"', "").strip()
    return "" if visible in near.replace('"', "") else f"{entry['where']} does not contain {entry['text']!r}"


def _read_evidence_file(lab: Lab, path: str) -> bytes | None:
    """Return a file by the path that fixer gave: on this machine, in the lab's machine, or in nginx's container."""
    if path.startswith(f"{lab.folder}/"):
        local = lab.folder / path.removeprefix(f"{lab.folder}/")
        return local.read_bytes() if local.is_file() else None
    roles: tuple[Role, ...] = ("web", "backend") if lab.stack == "containers" else ("web",)
    for role in roles:
        # A running container also shows its /proc and /run; a stopped one shows its disk.
        shown = lab.run_in(role, ["cat", path], check=False)
        data = shown.out if shown.code == 0 else read_file(lab.container(role), path)
        if data is not None:
            return data
    return None
