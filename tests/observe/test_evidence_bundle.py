"""Bundles from anybody: damaged, strange, too big; and the bytes of a good one."""

from __future__ import annotations

import gzip
import io
import json
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.errors import CannotObserve
from fixer.model.diagnosis import IgnoredFinding
from fixer.model.facts import Known
from fixer.model.query import (
    Answer,
    Command,
    FileAnswer,
    ListProcesses,
    ListSockets,
    Probe,
    ReadFile,
    ReadGlob,
    ReadTree,
)
from fixer.observe import evidence_bundle
from fixer.observe.boot.boot_entries import BOOT_ENTRY_FILES
from fixer.observe.evidence_bundle import INDEX, pack_bundle, unpack_bundle
from fixer.observe.kernel.oom_log import KERNEL_LOG, kernel_log_of
from fixer.observe.masked_capture import redact_capture
from fixer.observe.nginx.endpoints import endpoint_probe
from fixer.observe.view.node_view import PEEK_BYTES, UNIT_FILES, view_of
from tests.observe.capture_builders import capture, file, node, process, processes, recorded_capture, stat
from tests.observe.kernel.oom_log_builders import DMESG, kills

WHOLE = capture(node({ReadGlob(("/a", "/b")): Answer("ok", files=(FileAnswer("/a\udc80", "ok", stat("link", link="b", target=stat()), b"x"),)),
                      Probe("h", 1, None, unix="/s"): Answer("timeout", message="m", returncode=None),
                      Command("journal", ("u", "9")): Answer("ok", b"\xff\x00", stderr=b"e", returncode=3)},
                     site="server { listen 80; }"), kind="compose", address="shop")


def packed(index: object, **members: bytes) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in {INDEX: json.dumps(index).encode(), **members}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)       # a test's name holds it: no clock in it


def index_of(data: bytes) -> dict[str, Any]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        file = tar.extractfile(INDEX)
        assert file is not None
        found: dict[str, Any] = json.load(file)
        return found


def test_every_field_comes_back() -> None:
    assert unpack_bundle(pack_bundle(WHOLE)) == redact_capture(WHOLE) and pack_bundle(WHOLE) == pack_bundle(WHOLE)


def test_a_bundle_is_private_and_plain() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack_bundle(WHOLE)), mode="r:gz") as tar:
        members = tar.getmembers()
    assert {m.mode for m in members} == {0o600} and all(m.isfile() and m.mtime == 0 for m in members)


@pytest.mark.parametrize("data", [b"", b"junk", gzip.compress(b"junk", mtime=0), packed([]), packed({}), packed({"format": 1}), packed("x"),
                                  pack_bundle(WHOLE)[:400], packed(None)])
def test_what_is_no_bundle(data: bytes) -> None:
    with pytest.raises(CannotObserve) as raised:
        unpack_bundle(data)
    assert raised.value.exit_code == 3 and raised.value.hint


def test_another_format_is_named() -> None:
    with pytest.raises(CannotObserve, match="format 9, not 1"):
        unpack_bundle(packed({"format": 9}))


SPOILERS: list[Callable[[dict[str, Any]], object]] = [
    lambda i: i["target"].update(kind="moon"), lambda i: i.update(nodes={}), lambda i: i.update(notes=[5]), lambda i: i.update(options=[]),
    lambda i: i["nodes"][0].update(now="soon"), lambda i: i["nodes"][0].update(now=True), lambda i: i["nodes"][0].update(kind=5),
    lambda i: i["nodes"][0]["answers"][0].update(status="fine"), lambda i: i["nodes"][0]["answers"][0].update(files={}),
    lambda i: i["nodes"][0]["answers"][0]["query"].update(type="Delete"), lambda i: i["nodes"][0]["answers"][0]["query"].update(more=1),
    lambda i: i["nodes"][0]["answers"].append({"query": {"type": "Command", "name": "rm", "args": []}}),
    lambda i: i["nodes"][0]["answers"][0].update(data="blobs/none"), lambda i: i["nodes"].append([]),
    lambda i: i["nodes"][0]["answers"][0].update(returncode="0"),
]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_strange_index_is_refused(spoil: Callable[[dict[str, Any]], object]) -> None:
    index = index_of(pack_bundle(WHOLE))
    spoil(index)
    with pytest.raises(CannotObserve):
        unpack_bundle(packed(index))


def test_a_bundle_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_bundle, "MAX_UNPACKED_BYTES", 100)
    with pytest.raises(CannotObserve):
        unpack_bundle(pack_bundle(WHOLE))


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


BOMBS = {
    "a header without end": lambda: [_header("x", 1 << 30, tarfile.XHDTYPE), *[bytes(1 << 20)] * 1024],
    "a name without end": lambda: [_header("x", 1 << 30, tarfile.GNUTYPE_LONGNAME), *[b"a" * (1 << 20)] * 1024],
    "a million entries": lambda: [_header("blobs/0", 0) * 1000] * 1000,
    "an index of nothing but lists": lambda: [_header(INDEX, (150 << 20) + 512), b"[", *[b"[]," * (1 << 20)] * 50, b"[]]".ljust(511)],
}


def _write_gzip(path: Path, parts: Sequence[bytes]) -> None:
    """Write one gzip member, and compress each part only once: after a full flush the blocks of a part stand alone."""
    packed: dict[bytes, bytes] = {}
    checksum = size = 0
    with path.open("wb") as file:
        file.write(b"\x1f\x8b\x08" + bytes(6) + b"\xff")
        for part in parts:
            if part not in packed:
                packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
                packed[part] = packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
            file.write(packed[part])
            checksum, size = zlib.crc32(part, checksum), size + len(part)
        file.write(b"\x03\x00" + struct.pack("<II", checksum, size & 0xFFFFFFFF))    # an empty last block


def test_a_bomb_is_one_whole_gzip_member(tmp_path: Path) -> None:
    _write_gzip(tmp_path / "small", parts := [b"head", *[bytes(1000)] * 3, b"end", *[b"a" * 70_000] * 2])
    packed = zlib.decompressobj(31)
    assert packed.decompress((tmp_path / "small").read_bytes()) == b"".join(parts)
    assert packed.eof and not packed.unused_data


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_bounded_time_and_memory(bomb: str, tmp_path: Path) -> None:
    _write_gzip(tmp_path / "bomb", BOMBS[bomb]())
    code = ("import resource, sys\nfrom fixer.errors import CannotObserve\nfrom fixer.observe.evidence_bundle import unpack_bundle\n"
            "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
            "try: unpack_bundle(open(sys.argv[1], 'rb').read())\nexcept CannotObserve: print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "bomb")], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10


def test_folders_and_links_in_a_bundle_are_nothing() -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        entry = tarfile.TarInfo(INDEX)
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(CannotObserve):
        unpack_bundle(raw.getvalue())


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CannotObserve):
        unpack_bundle(data)


PLAIN = gzip.decompress(pack_bundle(WHOLE))


@given(st.lists(st.tuples(st.integers(0, len(PLAIN) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_a_damaged_bundle_is_refused_or_is_a_capture(spoiled: list[tuple[int, int]], packed_again: bool) -> None:
    """Other bytes anywhere, in the archive or in what it holds: no other error than ours, and what is read is whole."""
    data = bytearray(PLAIN if packed_again else pack_bundle(WHOLE))
    for place, byte in spoiled:
        data[place % len(data)] = byte
    try:
        found = unpack_bundle(gzip.compress(data, mtime=0) if packed_again else bytes(data))
    except CannotObserve as error:
        assert error.message
        return
    assert unpack_bundle(pack_bundle(found)) == redact_capture(found)      # a changed byte can lay bare what is masked


def test_what_people_had_accepted_and_what_bound_a_repair_go_with_it() -> None:
    entry = IgnoredFinding("4f2a", "backend-down", "/", "moves, password=hunter2hunter2", "ann", "2027-01-31")
    again = unpack_bundle(pack_bundle(replace(WHOLE, accepted=(entry,), said=("policy.toml: without an operator up to safe",))))
    (kept,) = again.accepted
    assert (kept.id, kept.owner, kept.until) == ("4f2a", "ann", "2027-01-31") and "hunter2" not in kept.because
    assert again.said == ("policy.toml: without an operator up to safe",)


def test_an_older_bundle_has_neither() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack_bundle(WHOLE))) as tar:
        members = {m.name: file.read() for m in tar if (file := tar.extractfile(m)) is not None}
    index = json.loads(members.pop(INDEX))
    del index["accepted"], index["said"]
    assert unpack_bundle(packed(index, **members)).accepted == ()


UVICORN = "/usr/bin/uvicorn web:app --host 127.0.0.1 --port 8123"
CRONTAB = "/var/spool/cron/crontabs/deploy"


def test_secrets_of_such_a_line_are_in_no_bundle() -> None:
    line = file(CRONTAB, f"API_TOKEN=hunter2hunter2\n@reboot API_TOKEN=hunter2hunter2 {UVICORN}\n")
    made = node({BOOT_ENTRY_FILES: Answer("ok", files=(line,))})
    kept = redact_capture(capture(made)).nodes[0].answers[BOOT_ENTRY_FILES].files[0].data
    assert b"hunter2" not in kept and b"uvicorn" in kept


def test_a_bundle_keeps_of_the_kernels_log_only_what_is_read() -> None:
    kept = redact_capture(capture(node({KERNEL_LOG: Answer("ok", DMESG)}))).nodes[0]
    assert b"veth" not in kept.answers[KERNEL_LOG].data
    told = kernel_log_of(view_of(kept)).kills
    assert isinstance(told, Known) and told.value == kills()


BOTH = pytest.mark.parametrize("name", ["machine", "compose"])


@BOTH
def test_a_bundle_survives_being_saved_again(name: str) -> None:
    capture = recorded_capture(name)
    assert unpack_bundle(pack_bundle(capture)) == redact_capture(capture)
    assert pack_bundle(capture) == pack_bundle(unpack_bundle(pack_bundle(capture)))


SECRET = "hunter2hunter2"


def test_every_answer_of_a_capture() -> None:
    text = f"api_key={SECRET}"
    answers = {
        ReadFile("/etc/app.env"): Answer("ok", files=(file("/etc/app.env", f"K={SECRET}"),)),
        ReadFile("/var/log/x", tail=True): Answer("ok", files=(file("/var/log/x", text),)),
        ReadTree("/opt/nginx"): Answer("ok", files=(file("/opt/nginx/a", f"set $secret {SECRET};"),)),
        UNIT_FILES: Answer("ok", files=(file("/etc/systemd/system/a.service", f"Environment=K={SECRET}"),)),
        Command("journal", ("a", "9")): Answer("ok", text.encode(), stderr=text.encode()),
        Command("systemctl-show"): Answer("ok", f"Environment=K={SECRET}".encode()),
        Command("docker-container", ("a",)): Answer("ok", json.dumps({"Id": "x", "Config": {"Env": [f"K={SECRET}"]}}).encode()),
        ListProcesses(): processes(process(9, ["x", "--password", SECRET])),
    }
    whole = capture(node(answers, site="server { location / { proxy_pass http://127.0.0.1:1; } }"))
    masked = redact_capture(whole)
    assert SECRET in repr(whole) and SECRET not in repr(masked)
    before, after = whole.nodes[0].answers, masked.nodes[0].answers
    assert set(after) == set(before) and after[ListSockets()] == before[ListSockets()]
    assert after[ReadFile("/etc/hosts")] == before[ReadFile("/etc/hosts")]
    assert endpoint_probe is not None


def test_the_rules_of_a_packet_filter_stay_readable() -> None:
    """`"key": "iif"` was taken for a secret, and what nft had listed could not be read any more."""
    rule = {"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "lo"}}
    listed = {"nftables": [{"rule": {"comment": f"token={SECRET}", "expr": [rule, {"drop": None}]}}]}
    asked = Command("nft-rules")
    masked = redact_capture(capture(node({asked: Answer("ok", json.dumps(listed).encode())}))).nodes[0].answers[asked]
    (after,) = json.loads(masked.data)["nftables"]
    assert after["rule"]["expr"] == [rule, {"drop": None}] and SECRET not in after["rule"]["comment"]


def test_files_that_were_only_looked_for_hold_no_secret() -> None:
    query = ReadGlob(("/etc/api/*.env",), PEEK_BYTES, 60)
    answers = {query: Answer("ok", files=(file("/etc/api/blue.env", "API_SECRET=hunter22hunter\nPORT=8000\n"),))}
    [kept] = redact_capture(capture(node(answers))).nodes[0].answers[query].files
    assert kept.data == b"API_SECRET=[masked 1]\nPORT=8000\n"
