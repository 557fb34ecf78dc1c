"""Bundles: a redacted capture as one tar.gz (a JSON index and the bytes as blobs), written and read."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from typing import cast, get_args

from fixer.errors import CannotObserve
from fixer.model.capture import Capture, NodeCapture
from fixer.model.diagnosis import IgnoredFinding
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
from fixer.observe.masked_capture import redact_capture
from fixer.observe.view.docker_inspect import Json

FORMAT = 1
INDEX = "index.json"
MAX_UNPACKED_BYTES = 256 << 20       # of all unpacked bytes, headers included
MAX_MEMBERS = 50_000             # members of the archive
MAX_INDEX_BYTES = 32 << 20  # of the index: parsed objects need far more memory than text
MAX_INDEX_OBJECTS = 500_000     # objects and lists in the index

_DAMAGE_ERRORS = (OSError, EOFError, tarfile.TarError, zlib.error, ValueError, KeyError, TypeError, AttributeError,
           OverflowError, RecursionError)
_QUERY_TYPES = {c.__name__: c for c in (ReadFile, ReadGlob, ReadTree, ListProcesses, ListSockets, Command, Probe)}


def pack_bundle(capture: Capture) -> bytes:
    """Return the bundle of a capture, redacted; the same capture gives the same bytes."""
    blobs: dict[bytes, str] = {}
    index = {"format": FORMAT, **_capture_json(redact_capture(capture), blobs)}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add_member(tar, INDEX, json.dumps(index, indent=1).encode())
        for data, name in blobs.items():
            _add_member(tar, name, data)
    return gzip.compress(raw.getvalue(), 6, mtime=0)


def unpack_bundle(data: bytes) -> Capture:
    """Return the capture in a bundle; raise CannotObserve if it is not a bundle."""
    try:
        members = dict(_read_members(data))
        index = json.loads(_check_index_size(members[INDEX]))
        if index["format"] != FORMAT:
            hint = "read it with the fixer version that wrote it"
            raise CannotObserve(f"the bundle has format {index['format']}, not {FORMAT}", hint)
        return _IndexReader(members).capture(index)
    except _DAMAGE_ERRORS as error:
        hint = "use bundle:FILE with a file of `fixer collect -o FILE`"
        raise CannotObserve(f"the file is not a bundle, or it is damaged ({type(error).__name__})", hint) from None


def _add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o600
    tar.addfile(member, io.BytesIO(data))


class _BoundedReader(io.RawIOBase):
    """The unpacked bytes of a bundle, up to a limit: a header can claim any length and is read completely."""

    def __init__(self, data: bytes) -> None:
        self._file, self._left = gzip.GzipFile(fileobj=io.BytesIO(data)), MAX_UNPACKED_BYTES

    def read(self, size: int = -1) -> bytes:
        part = self._file.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(part)
        if self._left < 0:
            raise ValueError("too big")
        return part


def _read_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield regular members only, read in memory, within limits."""
    left = MAX_UNPACKED_BYTES
    with tarfile.open(fileobj=_BoundedReader(data), mode="r|") as tar:
        for number, member in enumerate(tar):
            left -= member.size
            if left < 0 or number >= MAX_MEMBERS:
                raise ValueError("too big")
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()


def _check_index_size(data: bytes) -> bytes:
    """Return the index; raise ValueError if it would need far more memory than a bundle of ours."""
    if len(data) > MAX_INDEX_BYTES or data.count(b"[") + data.count(b"{") > MAX_INDEX_OBJECTS:
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
    """Return a query as plain data."""
    fields = {f.name: getattr(query, f.name) for f in dataclasses.fields(query)}
    if fields.get("uwsgi") is False:
        del fields["uwsgi"]     # earlier versions, which read bundles too, do not know it
    return {"type": type(query).__name__, **fields}


def _answer_json(answer: Answer, blobs: dict[bytes, str]) -> dict[str, object]:
    return {
        "status": answer.status, "data": _blob_name(answer.data, blobs), "stderr": _blob_name(answer.stderr, blobs),
        "returncode": answer.returncode, "message": answer.message,
        "files": [{
            "path": f.path, "status": f.status, "truncated": f.truncated, "data": _blob_name(f.data, blobs),
            "stat": dataclasses.asdict(f.stat) if f.stat is not None else None,
        } for f in answer.files],
    }


def _blob_name(data: bytes, blobs: dict[bytes, str]) -> str:
    return blobs.setdefault(data, f"blobs/{len(blobs):05}") if data else ""


class _IndexReader:
    """A reader of an index that checks every value: a bundle may come from any source."""

    def __init__(self, members: Mapping[str, bytes]) -> None:
        self._members = members

    def capture(self, index: Mapping[str, Json]) -> Capture:
        target = _as_object(index["target"])
        kind = cast(TargetKind, _one_of(target["kind"], TargetKind))
        options = tuple((k, _as_text(v)) for k, v in _as_object(index["options"]).items())
        return Capture(TargetRef(kind, _as_text(target["address"])), tuple(map(self._node, _as_list(index["nodes"]))),
                       tuple(map(_as_text, _as_list(index["notes"]))), options,
                       tuple(_accepted_entry(_as_object(entry)) for entry in _as_list(index.get("accepted", []))),
                       tuple(map(_as_text, _as_list(index.get("said", [])))))

    def _node(self, item: Json) -> NodeCapture:
        node = _as_object(item)
        answers = {query_from_json(_as_object(a)["query"]): self._answer(_as_object(a))
                   for a in _as_list(node["answers"])}
        return NodeCapture(
            _as_text(node["name"]), cast(NodeKind, _one_of(node["kind"], NodeKind)), _as_number(node["now"]),
            node["root"] is True, answers, _as_number(node["utc_offset"]), _as_text(node["unreachable"]),
        )

    def _answer(self, item: Mapping[str, Json]) -> Answer:
        code = item["returncode"]
        return Answer(
            cast(AnswerStatus, _one_of(item["status"], AnswerStatus)), self._blob(item["data"]),
            tuple(map(self._file, _as_list(item["files"]))), None if code is None else int(_as_number(code)),
            self._blob(item["stderr"]), _as_text(item["message"]),
        )

    def _file(self, item: Json) -> FileAnswer:
        file = _as_object(item)
        stat = file["stat"]
        return FileAnswer(
            _as_text(file["path"]), cast(AnswerStatus, _one_of(file["status"], AnswerStatus)),
            None if stat is None else _file_stat(_as_object(stat)), self._blob(file["data"]), file["truncated"] is True,
        )

    def _blob(self, name: Json) -> bytes:
        return self._members[_as_text(name)] if name else b""


def _accepted_entry(entry: Mapping[str, Json]) -> IgnoredFinding:
    return IgnoredFinding(*(_as_text(entry[field.name]) for field in dataclasses.fields(IgnoredFinding)))


def _file_stat(stat: Mapping[str, Json]) -> FileStat:
    mode, uid, gid, size, inode, nlink = (
        int(_as_number(stat[k])) for k in ("mode", "uid", "gid", "size", "inode", "nlink")
    )
    link, real, target = stat["link_target"], stat["real_path"], stat["target"]
    return FileStat(
        cast(FileKind, _one_of(stat["kind"], FileKind)), mode, uid, gid, size, _as_number(stat["mtime"]), inode, nlink,
        None if link is None else _as_text(link), None if real is None else _as_text(real),
        None if target is None else _file_stat(_as_object(target)),
    )


def query_from_json(item: Json) -> Query:
    """Return the query of such data; raise ValueError, TypeError or KeyError if it is none."""
    data = dict(_as_object(item))
    made = _QUERY_TYPES[_as_text(data.pop("type"))]
    fields = {k: tuple(map(_as_text, v)) if isinstance(v, list) else v for k, v in data.items()}
    if made is Command:
        _one_of(data["name"], CommandName)
    return made(**fields)  # type: ignore[arg-type] # a wrong field is a TypeError: a damaged bundle


def _one_of(value: Json, literal: object) -> str:
    if value not in get_args(literal):
        raise ValueError(str(value))
    return _as_text(value)


def _as_object(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError("no object")
    return value


def _as_list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _as_text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _as_number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    return value
