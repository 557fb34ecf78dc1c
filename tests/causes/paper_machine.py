"""A machine on paper: its disk, one unit and its journal; questions are answered from them until none is left."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from fixer.diagnose.run_causes import diagnose
from fixer.model.capture import Capture, NodeCapture
from fixer.model.diagnosis import Diagnosis
from fixer.model.query import Answer, Command, FileAnswer, FileStat, Probe, Query, ReadFile, ReadGlob
from fixer.model.snapshot import Snapshot
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import MOST_ROUNDS
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, capture, file, node, probe_answer

UNIT = "/etc/systemd/system/back.service"
SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
UNIT_PROPERTIES = {
    "Id": "back.service", "Names": "back.service", "LoadState": "loaded", "ActiveState": "failed", "SubState": "failed",
    "Result": "exit-code", "ExecMainCode": "1", "ExecMainStatus": "203", "MainPID": "0", "NRestarts": "0",
    "UnitFileState": "enabled", "FragmentPath": UNIT, "Type": "simple", "User": "shop", "WorkingDirectory": "/srv/shop",
    "NeedDaemonReload": "no", "Restart": "no",
}
Entry = str | bytes | tuple[str | bytes, int] | tuple[str | bytes, int, int] | tuple[str | bytes, int, int, float]


AGE = 500.0


def _complete_entry(entry: Entry) -> tuple[str | bytes, int, int, float]:
    match entry:
        case (text, mode, owner, age):
            return text, mode, owner, age
        case (text, mode, owner):
            return text, mode, owner, AGE
        case (text, mode):
            return text, mode, 0, AGE
        case _:
            return entry, 0o644, 0, AGE


class Disk:
    """Files by path: text, or (text, mode, owner, age in s) as far as told; a folder is `dir`, a link `-> target`."""

    def __init__(self, files: Mapping[str, Entry]) -> None:
        self.files = dict(files)
        for path in list(self.files):
            while (path := posixpath.dirname(path)) not in ("/", ""):
                self.files.setdefault(path, ("dir", 0o755))

    def answer(self, path: str, limit: int) -> FileAnswer:
        """As a node would answer for one path."""
        entry = self.files.get(path)
        if entry is None:
            return FileAnswer(path, "absent")
        text, mode, owner, age = _complete_entry(entry)
        data = text.encode() if isinstance(text, str) else text
        if data.startswith(b"-> "):
            target = data[3:].decode()
            end = self.answer(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)), limit)
            real = end.stat.real_path if end.status == "ok" and end.stat is not None else None
            stat = FileStat("link", 0o777, 0, 0, 1, NOW - 500, 7, 1, target, real, end.stat if real else None)
            return FileAnswer(path, end.status, stat, end.data)
        kind = "dir" if data == b"dir" else "file"
        stat = FileStat(kind, mode, owner, owner, len(data), NOW - age, 5, 1, None, path)   # type: ignore[arg-type]
        return FileAnswer(path, "ok", stat, b"" if kind == "dir" else data[:limit], len(data) > limit)

    def matches(self, pattern: str) -> list[str]:
        """Paths that an sh glob finds."""
        wanted = pattern.split("/")
        return [path for path in sorted(self.files) if _matches_pattern(path.split("/"), wanted)]


def _matches_pattern(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(parts) == len(wanted) and all(
        fnmatchcase(part, want) and (not part.startswith(".") or want.startswith("."))
        for part, want in zip(parts, wanted, strict=True)
    )


def observe_machine(
    unit: str, files: Mapping[str, Entry] | None = None, *, log: Sequence[str] = (), show: Mapping[str, str] | None = None,
    seen: NodeCapture | None = None, answers: bool = False, unseen: Sequence[str] = (),
) -> Snapshot:
    """What fixer sees of a machine with that unit (its `[Service]`), disk and journal; nothing answers there."""
    disk = Disk({UNIT: f"[Service]\n{unit}", **(files or {})})
    told = {**UNIT_PROPERTIES, **(show or {})}
    shown = "".join(f"{key}={value}\n" for key, value in told.items())
    first = seen or node(site=SITE, units=[file(UNIT, disk.answer(UNIT, 1 << 16).data)], show=shown)
    lines = "".join(f"{NOW - 20 + n / 10:.6f} host systemd[1]: {text}\n" for n, text in enumerate(log))
    seen_by_now = capture(first)
    for _ in range(MOST_ROUNDS):
        asked = follow_up_queries(seen_by_now, ObserveOptions()).get("local")
        if not asked:
            break
        new = {query: _answer_query(query, disk, lines, answers=answers) for query in asked
               if not (isinstance(query, ReadFile) and query.path in unseen)}
        old = seen_by_now.nodes[0]
        again = NodeCapture(old.name, old.kind, old.now, old.root, {**old.answers, **new})
        seen_by_now = Capture(seen_by_now.target, (again,), (), seen_by_now.options)
    return build_snapshot(seen_by_now)


def _answer_query(query: Query, disk: Disk, log: str, *, answers: bool) -> Answer:
    match query:
        case ReadFile():
            found = disk.answer(query.path, query.limit)
            return Answer(found.status, files=(found,))
        case ReadGlob():
            paths = dict.fromkeys(path for pattern in query.patterns for path in disk.matches(pattern))
            return Answer("ok", files=tuple(disk.answer(path, query.limit) for path in paths))
        case Command(name="journal"):
            return Answer("ok", log.encode())
        case Probe(port=80):
            return probe_answer(200) if answers else probe_answer(502, head="HTTP/1.1 502 Bad Gateway\r\nServer: nginx")
        case Probe():
            return probe_answer(200) if answers else probe_answer(None, "refused", 111, "connect")
        case _:
            return Answer("no-tool")


def diagnose_machine(unit: str, files: Mapping[str, Entry] | None = None, *, inputs: Mapping[str, str] | None = None,
           **more: object) -> Diagnosis:
    """The diagnosis of such a machine."""
    return diagnose(observe_machine(unit, files, **more), inputs or {})   # type: ignore[arg-type]
