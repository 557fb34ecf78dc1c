"""Captures of real deployments, broken and repaired, in one solid archive: what is alike in all of them is kept once."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixer.diagnose.run_causes import diagnose
from fixer.errors import CannotObserve
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.evidence_bundle import INDEX, unpack_bundle
from tests.frozen.answers import answer_of
from tests.frozen.quotes import check_quotes

ARCHIVE = Path(__file__).with_name("captures.tar.xz")
WHEN = ("broken", "repaired")
_HELD = frozenset({"data", "stderr"})       # the fields of an index that name a blob
_NAME = "blobs/{:05}"


class Refused(Exception):
    """A capture that may not go into the archive, and why."""


def pack(folder: Path, refused: Sequence[str], archive: Path | None = None) -> int:
    """Make the archive of the bundles `KEY.broken.tgz` and `KEY.repaired.tgz` whose `KEY.json` says that all is there.

    `refused` are words, in any case, that no capture may hold. Refused names every capture that holds one, or that
    cannot be read.
    """
    indexes: dict[str, Any] = {}
    places: dict[bytes, str] = {}
    faults: list[str] = []
    for path in sorted(folder.glob("*.tgz")):
        key, _, when = path.name.removesuffix(".tgz").rpartition(".")
        if when not in WHEN or not (folder / f"{key}.json").exists():
            continue
        try:
            unpack_bundle(path.read_bytes())
        except CannotObserve as error:
            faults.append(f"{path.name}: {error.message}")
            continue
        members = _members(path.read_bytes())
        faults += [f"{path.name}: {word} in {name}" for word, name in _found(members, refused)]
        index = json.loads(members[INDEX])
        for held, where in _blobs(index):
            places.setdefault(members[held], where)
        numbers = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
        index = _renamed(index, numbers.__getitem__)
        indexes[f"{'/'.join(key.split('~'))}/{when}"] = index
    if faults:
        raise Refused("\n".join(faults))
    _write(archive or ARCHIVE, indexes, sorted(places, key=lambda data: (places[data], data)))
    return len(indexes)


def _members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}


def _found(members: dict[str, bytes], refused: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name, data in members.items():
        for word in refused:
            if word.lower().encode() in data.lower():
                yield word, name


def _blobs(index: Any) -> Iterator[tuple[str, str]]:
    """The blobs that an index names, each with what it is: blobs of the same kind lie beside each other."""
    for node in index["nodes"]:
        for answer in node["answers"]:
            asked = answer["query"]
            kind = re.sub(r"\d+", "", f"{asked['type']} {asked.get('name', '')} {asked.get('arguments', '')}")
            for held in filter(None, (answer["data"], answer["stderr"])):
                yield held, kind
            for file in answer["files"]:
                if file["data"]:
                    yield file["data"], re.sub(r"\d+", "", file["path"].rpartition("/")[2])


def _renamed(index: Any, name: Callable[[Any], Any]) -> Any:
    """The same index with other names of its blobs."""
    if isinstance(index, list):
        return [_renamed(item, name) for item in index]
    if isinstance(index, dict):
        return {key: name(held) if key in _HELD and held else _renamed(held, name) for key, held in index.items()}
    return index


def _write(archive: Path, indexes: dict[str, Any], blobs: list[bytes]) -> None:
    numbers = {hashlib.sha256(data).hexdigest(): number for number, data in enumerate(blobs, 1)}
    lines = [json.dumps([key, _renamed(index, numbers.__getitem__)], separators=(",", ":"))
             for key, index in sorted(indexes.items(), key=lambda pair: (pair[0].split("/")[2], pair[0]))]
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in (("sizes.json", json.dumps([len(data) for data in blobs]).encode()),
                           ("indexes", "\n".join(lines).encode()), ("blobs", b"".join(blobs))):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    archive.write_bytes(lzma.compress(raw.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def unpacked(archive: Path | None = None, wanted: Callable[[int, str], bool] = lambda place, name: True) -> Iterator[tuple[str, bytes]]:
    """Every capture as the bundle that it was, by `scenario/variant/stack/seed/when@` and a number of its bytes.

    `wanted` is asked with its place in the archive and `scenario/variant/stack/seed/when`: another one is not even made.
    """
    archive = archive or ARCHIVE
    if not archive.exists():
        return
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(archive.read_bytes()))) as tar:
        sizes, lines, whole = (file.read() for name in ("sizes.json", "indexes", "blobs")
                               if (file := tar.extractfile(name)) is not None)
    blobs, start = [], 0
    for size in json.loads(sizes):
        blobs.append(whole[start:start + size])
        start += size
    for place, line in enumerate(lines.splitlines()):
        key, index = json.loads(line)
        if not wanted(place, key):
            continue
        raw = _bundle(index, blobs)
        yield f"{key}@{hashlib.sha256(raw).hexdigest()[:12]}", gzip.compress(raw, 1, mtime=0)


def _bundle(index: Any, blobs: Sequence[bytes]) -> bytes:
    """The members of the bundle, numbered in the order in which the index names them."""
    names: dict[int, str] = {}
    named = _renamed(index, lambda number: names.setdefault(number, _NAME.format(len(names))))
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in ((INDEX, json.dumps(named, indent=1).encode()),
                           *((name, blobs[number - 1]) for number, name in names.items())):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o600
            tar.addfile(member, io.BytesIO(data))
    return raw.getvalue()


@dataclass(frozen=True)
class Replayed:
    """What is said of a capture, as one line of JSON; its quotes of files, and those that stand elsewhere."""

    answer: str
    quotes: int
    misplaced: list[str]


def replay(bundle: bytes) -> Replayed:
    """What is said of a capture, and whether what it quotes stands where it says."""
    capture = unpack_bundle(bundle)
    seen = build_snapshot(capture)
    diagnosis = diagnose(seen, accepted=seen.ignored)
    answer = json.dumps(answer_of(seen, diagnosis), sort_keys=True, separators=(",", ":"))
    return Replayed(answer, *check_quotes(capture, diagnosis))
