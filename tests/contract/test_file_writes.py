"""Files are changed the same way through every transport: exact bytes, metadata kept, nothing done by halves."""

import hashlib
import json
import os
import re

import pytest

from fixer.errors import Locked
from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.journal import FileState
from fixer.model.plan import FileMeta
from tests.contract.transports import Transport

META = FileMeta(0o640, 0, 0)
EVERY_BYTE = bytes(range(256)) * 3
CONTENTS = [b"", b"\n", b"no line end", b"-n starts like an option", b"%s %d \\n \\101 '\"$(id)`id`\n", EVERY_BYTE,
            "ünïcode\r\n".encode(), b"0123456789\n" * 4_000]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners are changed")


@pytest.mark.parametrize("data", CONTENTS, ids=range(len(CONTENTS)))
def test_bytes_come_back_exactly(place: Transport, data: bytes) -> None:
    path = f"{place.root}/it's a $file\nwith lines"
    place.files.create(path, data, META)
    assert place.files.read(path) == data
    place.files.overwrite(path, data[::-1])
    assert place.files.read(path) == data[::-1]
    place.files.append(path, data)
    assert place.files.read(path) == data[::-1] + data


def test_create_gives_metadata_and_refuses_to_exist(place: Transport) -> None:
    path = f"{place.root}/f"
    place.files.create(path, b"one", FileMeta(0o4751, 12, 34))
    state = place.files.state(path)
    assert state == FileState("file", hashlib.sha256(b"one").hexdigest(), 3, 0o4751, 12, 34)
    with pytest.raises(FileExistsError):
        place.files.create(path, b"two", META)
    place.files.symlink("nowhere", f"{place.root}/l")
    with pytest.raises(FileExistsError):
        place.files.create(f"{place.root}/l", b"two", META)
    with pytest.raises(FileNotFoundError):
        place.files.create(f"{place.root}/no/f", b"", META)
    assert place.files.read(path) == b"one"


def test_a_create_that_fails_leaves_nothing(place: Transport) -> None:
    with pytest.raises((OSError, ValueError)):
        place.files.create(f"{place.root}/f", b"x", FileMeta(0o640, 0, 0, acl=b"no acl at all"))
    assert place.files.state(f"{place.root}/f") == FileState("absent")


def test_states_of_links_folders_and_nothing(place: Transport) -> None:
    place.files.symlink("a -> b\nc", f"{place.root}/l")
    state = place.files.state(f"{place.root}/l")
    assert (state.kind, state.link_target) == ("link", "a -> b\nc")
    place.files.mkdir(f"{place.root}/d", 0o700)
    assert (place.files.state(f"{place.root}/d").kind, place.files.state(f"{place.root}/d").mode) == ("other", 0o700)
    assert place.files.state(f"{place.root}/none/below") == FileState("absent")
    with pytest.raises(FileExistsError):
        place.files.symlink("x", f"{place.root}/l")


def test_rename_replaces_and_keeps_the_inode_of_the_source(place: Transport) -> None:
    place.files.create(f"{place.root}/new", b"new", META)
    place.files.create(f"{place.root}/old", b"old", META)
    inode = place.sh('ls -i "$1/new"', place.root).stdout.split()[0]
    place.files.rename(f"{place.root}/new", f"{place.root}/old")
    assert place.files.read(f"{place.root}/old") == b"new"
    assert place.files.listdir(place.root) == ("old",)
    assert place.sh('ls -i "$1/old"', place.root).stdout.split()[0] == inode
    place.files.mkdir(f"{place.root}/d", 0o755)
    with pytest.raises(OSError, match="directory"):
        place.files.rename(f"{place.root}/old", f"{place.root}/d")
    with pytest.raises(FileNotFoundError):
        place.files.rename(f"{place.root}/no", f"{place.root}/old")


def test_overwrite_keeps_the_inode_and_hard_links(place: Transport) -> None:
    place.files.create(f"{place.root}/f", b"long before", META)
    place.sh('ln "$1/f" "$1/g"', place.root)
    place.files.overwrite(f"{place.root}/f", b"short")
    assert place.files.read(f"{place.root}/g") == b"short"
    with pytest.raises(FileNotFoundError):
        place.files.overwrite(f"{place.root}/no", b"")


def test_a_copy_gets_the_extended_attributes(place: Transport) -> None:
    """The kernel's own (a capability) are named instead; without any tool, that nobody can tell."""
    files = place.files
    for name in ("f", ".temp"):
        files.create(f"{place.root}/{name}", b"x", META)
    if not os.path.isdir(place.root):     # in a container without python3 and getfattr
        files.copy_attributes(f"{place.root}/f", f"{place.root}/.temp")
        assert "nobody can tell" in files.lost_attributes(f"{place.root}/f")
        return
    assert files.lost_attributes(f"{place.root}/f") == ""
    kept = {"user.note": b"a \0 value\n", "user.empty": b"", "trusted.odd": b"\xff"}
    for name, value in kept.items():
        os.setxattr(f"{place.root}/f", name, value)
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(f"{place.root}/f", "security.capability", capability)
    files.copy_attributes(f"{place.root}/f", f"{place.root}/.temp")
    found = {name: os.getxattr(f"{place.root}/.temp", name) for name in os.listxattr(f"{place.root}/.temp")}
    assert {name: value for name, value in found.items() if name != "security.selinux"} == kept
    assert files.lost_attributes(f"{place.root}/f") == "security.capability"
    files.symlink("f", f"{place.root}/link")
    with pytest.raises(OSError):
        files.copy_attributes(f"{place.root}/f", f"{place.root}/link")


def test_a_state_counts_the_names_of_a_file(place: Transport) -> None:
    place.files.create(f"{place.root}/f", b"x", META)
    assert place.files.state(f"{place.root}/f").links == 1
    place.sh('ln "$1/f" "$1/g"; ln "$1/f" "$1/h"', place.root)
    assert place.files.state(f"{place.root}/f").links == 3


def test_append_makes_a_private_file_and_never_follows_a_link(place: Transport) -> None:
    path = f"{place.root}/journal"
    place.files.append(path, b"one\n")
    place.files.append(path, b"-two\n")
    assert place.files.read(path) == b"one\n-two\n"
    assert place.files.state(path).mode == 0o600
    place.files.symlink("journal", f"{place.root}/l")
    with pytest.raises(OSError, match=r"regular|symbolic"):
        place.files.append(f"{place.root}/l", b"x")


def test_set_meta_changes_owner_and_mode_only(place: Transport) -> None:
    path = f"{place.root}/f"
    place.files.create(path, b"x", META)
    place.files.set_meta(path, FileMeta(0o2755, 7, 8))
    state = place.files.state(path)
    assert (state.mode, state.uid, state.gid, state.sha256) == (0o2755, 7, 8, hashlib.sha256(b"x").hexdigest())


def test_removing(place: Transport) -> None:
    place.files.mkdir(f"{place.root}/d", 0o755)
    place.files.create(f"{place.root}/d/f", b"", META)
    place.files.symlink("d", f"{place.root}/l")
    with pytest.raises(OSError, match="empty"):
        place.files.rmdir(f"{place.root}/d")
    with pytest.raises(OSError, match=r"directory|permitted"):
        place.files.unlink(f"{place.root}/d")
    with pytest.raises(FileNotFoundError):
        place.files.unlink(f"{place.root}/no")
    place.files.unlink(f"{place.root}/l")
    place.files.unlink(f"{place.root}/d/f")
    place.files.rmdir(f"{place.root}/d")
    assert place.files.listdir(place.root) == ()
    assert place.files.listdir(f"{place.root}/d") == ()
    with pytest.raises(FileExistsError):
        place.files.mkdir(place.root, 0o755)


def test_names_are_listed_whole_and_sorted(place: Transport) -> None:
    names = (".dot", "a b", "new\nline", "$x", "-f", "..two")
    for name in names:
        place.files.create(f"{place.root}/{name}", b"", META)
    assert place.files.listdir(place.root) == tuple(sorted(names))


def test_a_fifo_is_no_file_and_does_not_hang(place: Transport) -> None:
    place.sh('mkfifo "$1/p"', place.root)
    assert place.files.state(f"{place.root}/p").kind == "other"
    with pytest.raises(OSError, match="regular"):
        place.files.read(f"{place.root}/p")


def test_the_lock_keeps_others_out_and_ends_with_its_block(place: Transport) -> None:
    path = f"{place.root}/lock"
    with place.files.lock(path):
        with pytest.raises(Locked), place.files.lock(path):
            pass
        assert place.sh('flock -n "$1" true || echo held', path).stdout == b"held\n"
    with place.files.lock(path):
        pass
    with pytest.raises(FileNotFoundError), place.files.lock(f"{place.root}/no/lock"):
        pass


def test_a_lock_names_its_holder_as_soon_as_it_is_held(place: Transport) -> None:
    """A connection that was lost between the two left a lock that nobody could release."""
    path = f"{place.root}/lock"
    for word in ("first", "2nd"):
        with place.files.lock(path, lambda who, word=word: f'{{"{word}": "{who}"}}\n'.encode()):
            said = json.loads(place.files.read(path))
            assert list(said) == [word]
            assert said[word] == "" or re.fullmatch(r"\d+ \d+", said[word])
            assert place.sh('test -z "$1" || kill -0 "$1"', said[word].partition(" ")[0]).returncode == 0


def test_no_lock_writes_through_a_link(place: Transport) -> None:
    place.sh('echo precious >"$1/file"; ln -s file "$1/lock"', place.root)
    with pytest.raises(OSError), place.files.lock(f"{place.root}/lock", lambda who: who.encode()):
        pass
    assert place.files.read(f"{place.root}/file") == b"precious\n"


def test_both_kinds_of_lock_are_one(tmp_path) -> None:
    from tests.contract.transports import LOCAL_TRANSPORTS

    path = str(tmp_path / "lock")
    with LOCAL_TRANSPORTS["sh"](tmp_path).files.lock(path), pytest.raises(Locked), LocalFiles().lock(path):
        pass
    with LocalFiles().lock(path), pytest.raises(Locked), LOCAL_TRANSPORTS["sh"](tmp_path).files.lock(path):
        pass


def test_an_acl_is_kept(tmp_path) -> None:
    """Only here: a slim container has no getfattr, and then says so instead of losing it."""
    files = LocalFiles()
    path = f"{tmp_path}/f"
    files.create(path, b"", META)
    acl = bytes.fromhex("0200000001000600ffffffff020004000100000004000400ffffffff10000400ffffffff20000000ffffffff")
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("no ACLs on this file system")
    state = files.state(path)
    assert state.acl == acl.hex()
    files.create(f"{tmp_path}/g", b"", FileMeta(state.mode, 0, 0, acl=acl))
    assert files.state(f"{tmp_path}/g").acl == acl.hex()
    files.set_meta(f"{tmp_path}/g", FileMeta(0o640, 0, 0))
    assert (files.state(f"{tmp_path}/g").acl, files.state(f"{tmp_path}/g").mode) == ("", 0o640)
