"""Tests of fixer/observe/boot/run_folders.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.deployment import BootEntry
from fixer.model.query import Answer, FileAnswer, ReadGlob
from fixer.observe.boot.boot_entries import BOOT_ENTRY_FILES, boot_entries_of, boot_entry_queries
from tests.causes import snapshot_builders
from tests.observe.boot.boot_entries_builders import seen
from tests.observe.capture_builders import file

RUN = "#!/bin/sh\nexec 2>&1\ncd /opt/shop\nPORT=8123\nexec chpst -u shop /usr/bin/uvicorn web:app --port $PORT\n"


def watched(*argv: str, folder: str = "/etc/service/shop", more: tuple[FileAnswer, ...] = ()) -> list[BootEntry]:
    made = seen(file(f"{folder}/run", RUN), *more)
    watcher = replace(snapshot_builders.process(300), argv=argv, uid=0, comm=argv[0])
    return list(boot_entries_of(replace(made, by_pid={300: watcher})))


@pytest.mark.parametrize(("argv", "folder", "kind", "command"), [
    (("runsv", "shop"), "/etc/service/shop", "runit", "sv up shop"),
    (("s6-supervise", "shop"), "/run/service/shop", "s6", "s6-svc -u /run/service/shop"),
    (("supervise", "shop"), "/service/shop", "daemontools", "svc -u /service/shop"),
])
def test_a_folder_that_a_watcher_keeps(argv: tuple[str, ...], folder: str, kind: str, command: str) -> None:
    (one,) = watched(*argv, folder=folder)
    assert (one.kind, one.name, one.port, one.command, one.not_run_reason, one.line) == (kind, "shop", 8123, command, "", 5)


def test_what_runit_was_told_to_keep_down_and_what_nobody_watches() -> None:
    def status(wanted: bytes) -> FileAnswer:
        return replace(file("/etc/service/shop/supervise/status", ""), data=bytes(17) + wanted + bytes(2))
    (down,) = watched("runsv", "shop", more=(status(b"d"),))
    assert down.not_run_reason == "its wanted state in runsv is down"
    (loop,) = watched("runsv", "shop", more=(status(b"u"),))
    assert loop.not_run_reason == ""
    (alone,) = watched("runsv", "blog")
    assert (alone.command, alone.not_run_reason) == ("", "no runsv, s6-supervise or supervise runs for shop")


@pytest.mark.parametrize("argv", [
    ("/usr/bin/s6-svscan", "-d4", "/srv/scan/"), ("runsvdir", "-P", "/srv/scan", "log: ..."), ("svscan", "/srv/scan"),
])
def test_a_scanner_may_have_a_folder_of_its_own(argv: tuple[str, ...]) -> None:
    keeper = replace(snapshot_builders.process(300), argv=argv, uid=0, comm="scanner")
    watcher = replace(snapshot_builders.process(301), argv=("s6-supervise", "shop"), uid=0, comm="s6-supervise")
    made = replace(seen(), by_pid={300: keeper, 301: watcher})
    asked = next(q for q in boot_entry_queries(made) if isinstance(q, ReadGlob) and q != BOOT_ENTRY_FILES)
    assert asked.patterns == ("/srv/scan/*/run", "/srv/scan/*/supervise/status")
    answers = {**made.node.answers, asked: Answer("ok", files=(file("/srv/scan/shop/run", RUN),))}
    (one,) = boot_entries_of(replace(made, node=replace(made.node, answers=answers)))
    assert (one.kind, one.port, one.command) == ("s6", 8123, "s6-svc -u /srv/scan/shop")


@pytest.mark.parametrize(("uid", "folder"), [(1000, "/srv/scan"), (0, "scan"), (0, "/srv/*"), (0, "/etc/service")])
def test_a_folder_that_anybody_could_name_is_not_read(uid: int, folder: str) -> None:
    keeper = replace(snapshot_builders.process(300), argv=("svscan", folder), uid=uid, comm="svscan")
    made = replace(seen(), by_pid={300: keeper})
    assert [q for q in boot_entry_queries(made) if isinstance(q, ReadGlob)] == [BOOT_ENTRY_FILES]


def test_a_folder_that_two_places_lead_to_counts_once_and_the_watched_place_is_named() -> None:
    (one,) = watched("runsv", "shop", more=(file("/etc/sv/shop/run", RUN),))
    assert one.file == "/etc/service/shop/run"
    assert list(boot_entries_of(seen(file("/etc/sv/job/run", "#!/bin/sh\nwhile true; do sleep 9; done\n")))) == []
