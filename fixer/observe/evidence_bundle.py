"""Bundles: a redacted capture as one tar.gz (an index in JSON, the bytes beside it), and back."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import cast, get_args

from fixer.errors import CannotObserve
from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture, NodeCapture
from fixer.model.diagnosis import Accepted
from fixer.model.query import (
    Answer,
    AnswerStatus,
    Command,
    CommandName,
    FileAnswer,
    FileKind,
    FileStat,
    ListProcesses,
    ListSockets,
    Probe,
    Query,
    ReadFile,
    ReadGlob,
    ReadTree,
)
from fixer.model.target import NodeKind, TargetKind, TargetRef
from fixer.observe.view.docker_inspect import Json
from fixer.observe.view.node_view import LOOK, PROGRAM_FILES, STARTER_FILES, UNIT_FILES
from fixer.redaction.all_files import (
    redact_bytes,
    redact_cmdline,
    redact_file,
    redact_inspect,
    redact_probe,
    redact_program,
    redact_rules,
    redact_script,
    redact_unit,
)
from fixer.redaction.config_files import redact_nginx
from fixer.redaction.secrets import redact_text

FORMAT = 1
INDEX = "index.json"
BIGGEST = 256 << 20       # of all bytes that a bundle unpacks to, its headers too
MOST = 50_000             # of its members
INDEX_BIGGEST = 32 << 20  # of the index: as objects it takes far more than as text
INDEX_PARTS = 500_000     # of the objects and lists in it

_DAMAGE = (OSError, EOFError, tarfile.TarError, zlib.error, ValueError, KeyError, TypeError, AttributeError,
           OverflowError, RecursionError)
_QUERIES = {c.__name__: c for c in (ReadFile, ReadGlob, ReadTree, ListProcesses, ListSockets, Command, Probe)}


def save(capture: Capture) -> bytes:
    """The bundle of a capture, redacted; the same capture gives the same bytes."""
    blobs: dict[bytes, str] = {}
    index = {"format": FORMAT, **_capture_json(redact(capture), blobs)}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, INDEX, json.dumps(index, indent=1).encode())
        for data, name in blobs.items():
            _add(tar, name, data)
    return gzip.compress(raw.getvalue(), 6, mtime=0)


def load(data: bytes) -> Capture:
    """The capture in a bundle; CannotObserve where it is not one."""
    try:
        members = dict(_members(data))
        index = json.loads(_bounded_index(members[INDEX]))
        if index["format"] != FORMAT:
            hint = "read it with the fixer that wrote it"
            raise CannotObserve(f"the bundle has format {index['format']}, not {FORMAT}", hint)
        return _Reader(members).capture(index)
    except _DAMAGE as error:
        hint = "bundle:FILE takes what `fixer collect -o FILE` wrote"
        raise CannotObserve(f"this is no bundle, or a damaged one ({type(error).__name__})", hint) from None


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o600
    tar.addfile(member, io.BytesIO(data))


class _Bounded(io.RawIOBase):
    """What a bundle unpacks to, up to a bound: a header too may claim any length, and is read whole."""

    def __init__(self, data: bytes) -> None:
        self._file, self._left = gzip.GzipFile(fileobj=io.BytesIO(data)), BIGGEST

    def read(self, size: int = -1) -> bytes:
        part = self._file.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(part)
        if self._left < 0:
            raise ValueError("too big")
        return part


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Regular members only, read in memory and nowhere else, within bounds."""
    left = BIGGEST
    with tarfile.open(fileobj=_Bounded(data), mode="r|") as tar:
        for number, member in enumerate(tar):
            left -= member.size
            if left < 0 or number >= MOST:
                raise ValueError("too big")
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()


def _bounded_index(data: bytes) -> bytes:
    """The index, unless it would be far more in memory than what a bundle of ours holds."""
    if len(data) > INDEX_BIGGEST or data.count(b"[") + data.count(b"{") > INDEX_PARTS:
        raise ValueError("too big")
    return data


def _capture_json(capture: Capture, blobs: dict[bytes, str]) -> dict[str, object]:
    return {
        "target": {"kind": capture.target.kind, "address": capture.target.address},
        "notes": list(capture.notes), "options": dict(capture.options),
        "accepted": [dataclasses.asdict(entry) for entry in capture.accepted], "said": list(capture.said),
        "nodes": [{
            "name": node.name, "kind": node.kind, "now": node.now, "root": node.root, "utc_offset": node.utc_offset,
            "unreachable": node.unreachable,
            "answers": [{"query": query_json(q), **_answer_json(a, blobs)} for q, a in node.answers.items()],
        } for node in capture.nodes],
    }


def query_json(query: Query) -> dict[str, object]:
    """A query as plain data."""
    fields = {f.name: getattr(query, f.name) for f in dataclasses.fields(query)}
    return {"type": type(query).__name__, **fields}


def _answer_json(answer: Answer, blobs: dict[bytes, str]) -> dict[str, object]:
    return {
        "status": answer.status, "data": _blob(answer.data, blobs), "stderr": _blob(answer.stderr, blobs),
        "returncode": answer.returncode, "message": answer.message,
        "files": [{
            "path": f.path, "status": f.status, "truncated": f.truncated, "data": _blob(f.data, blobs),
            "stat": dataclasses.asdict(f.stat) if f.stat is not None else None,
        } for f in answer.files],
    }


def _blob(data: bytes, blobs: dict[bytes, str]) -> str:
    return blobs.setdefault(data, f"blobs/{len(blobs):05}") if data else ""


class _Reader:
    """Reads an index back, every value checked for what it must be: a bundle may come from anybody."""

    def __init__(self, members: Mapping[str, bytes]) -> None:
        self._members = members

    def capture(self, index: Mapping[str, Json]) -> Capture:
        target = _object(index["target"])
        kind = cast(TargetKind, _one_of(target["kind"], TargetKind))
        options = tuple((k, _text(v)) for k, v in _object(index["options"]).items())
        return Capture(TargetRef(kind, _text(target["address"])), tuple(map(self._node, _list(index["nodes"]))),
                       tuple(map(_text, _list(index["notes"]))), options,
                       tuple(_accepted(_object(entry)) for entry in _list(index.get("accepted", []))),
                       tuple(map(_text, _list(index.get("said", [])))))

    def _node(self, item: Json) -> NodeCapture:
        node = _object(item)
        answers = {query_from_json(_object(a)["query"]): self._answer(_object(a)) for a in _list(node["answers"])}
        return NodeCapture(
            _text(node["name"]), cast(NodeKind, _one_of(node["kind"], NodeKind)), _number(node["now"]),
            node["root"] is True, answers, _number(node["utc_offset"]), _text(node["unreachable"]),
        )

    def _answer(self, item: Mapping[str, Json]) -> Answer:
        code = item["returncode"]
        return Answer(
            cast(AnswerStatus, _one_of(item["status"], AnswerStatus)), self._blob(item["data"]),
            tuple(map(self._file, _list(item["files"]))), None if code is None else int(_number(code)),
            self._blob(item["stderr"]), _text(item["message"]),
        )

    def _file(self, item: Json) -> FileAnswer:
        file = _object(item)
        stat = file["stat"]
        return FileAnswer(
            _text(file["path"]), cast(AnswerStatus, _one_of(file["status"], AnswerStatus)),
            None if stat is None else _stat(_object(stat)), self._blob(file["data"]), file["truncated"] is True,
        )

    def _blob(self, name: Json) -> bytes:
        return self._members[_text(name)] if name else b""


def _accepted(entry: Mapping[str, Json]) -> Accepted:
    return Accepted(*(_text(entry[field.name]) for field in dataclasses.fields(Accepted)))


def _stat(stat: Mapping[str, Json]) -> FileStat:
    mode, uid, gid, size, inode, nlink = (
        int(_number(stat[k])) for k in ("mode", "uid", "gid", "size", "inode", "nlink")
    )
    link, real, target = stat["link_target"], stat["real_path"], stat["target"]
    return FileStat(
        cast(FileKind, _one_of(stat["kind"], FileKind)), mode, uid, gid, size, _number(stat["mtime"]), inode, nlink,
        None if link is None else _text(link), None if real is None else _text(real),
        None if target is None else _stat(_object(target)),
    )


def query_from_json(item: Json) -> Query:
    """A query that was described so; ValueError or TypeError where it is none."""
    data = dict(_object(item))
    made = _QUERIES[_text(data.pop("type"))]
    fields = {k: tuple(map(_text, v)) if isinstance(v, list) else v for k, v in data.items()}
    if made is Command:
        _one_of(data["name"], CommandName)
    return made(**fields)  # type: ignore[arg-type] # a wrong field is a TypeError: a damaged bundle


def _one_of(value: Json, literal: object) -> str:
    if value not in get_args(literal):
        raise ValueError(str(value))
    return _text(value)


def _object(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError("no object")
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    return value


# A whole capture with its secrets masked, so that it can be saved and handed on; what a diagnosis needs stays.


def _only_kills(data: bytes) -> bytes:
    """Of the kernel's log what a diagnosis reads; the rest is nobody's matter."""
    kept = [line for line in data.splitlines(keepends=True) if b"oom-kill:" in line or b"Killed process" in line]
    return redact_bytes(b"".join(kept))


_BY_COMMAND: dict[str, Callable[[bytes], bytes]] = {
    "kernel-log": _only_kills, "nft-rules": redact_rules,
    "systemctl-show": redact_unit, "docker-project": redact_inspect, "docker-container": redact_inspect,
    "docker-published": redact_inspect, "docker-called": redact_inspect,
}


def redact(capture: Capture) -> Capture:
    """The capture as it may leave the machine."""
    accepted = (replace(e, because=redact_text(e.because), where=redact_text(e.where)) for e in capture.accepted)
    return replace(capture, nodes=tuple(_node(node) for node in capture.nodes), accepted=tuple(accepted),
                   said=tuple(map(redact_text, capture.said)))


def _node(node: NodeCapture) -> NodeCapture:
    return replace(node, answers={query: _answer(query, answer) for query, answer in node.answers.items()})


def _answer(query: Query, answer: Answer) -> Answer:
    """What each kind of answer may hold."""
    match query:
        case Command():
            mask = _BY_COMMAND.get(query.name, redact_bytes)
            return replace(answer, data=mask(answer.data), stderr=redact_bytes(answer.stderr))
        case Probe():
            return replace(answer, data=redact_probe(answer.data))
        case ListSockets():
            return answer
        case ListProcesses():
            return _files(answer, lambda f: redact_cmdline(f.data) if f.path.endswith("/cmdline") else f.data)
        case ReadFile() if query.tail:
            return _files(answer, lambda f: redact_bytes(f.data))
        case ReadFile():
            return _files(answer, lambda f: f.data if f.path == "/etc/hosts" else redact_file(f.path, f.data))
        case ReadGlob() if query.max_files == PROGRAM_FILES:
            return _files(answer, lambda f: redact_program(f.data))
        case ReadGlob() if query.max_files == STARTER_FILES:
            return _files(answer, lambda f: redact_script(f.data))
        case ReadGlob() if query.limit == LOOK:
            return _files(answer, lambda f: redact_file(f.path, f.data))
        case _ if query == UNIT_FILES:
            return _files(answer, lambda f: redact_unit(f.data))
        case _:
            return _files(answer, lambda f: redact_nginx(f.data))


def _files(answer: Answer, mask: Callable[[FileAnswer], bytes]) -> Answer:
    return replace(answer, files=tuple(replace(f, data=mask(f)) if f.data else f for f in answer.files))
