"""Tests of fixer/causes/crash_dependency_down/closed_name_file.py."""

from __future__ import annotations

import pytest

from fixer.lazy.dataclass import replace
from fixer.model.query import FileStat
from tests.causes.crash_dependency_down.crash_dependency_down_builders import NO_NAME, REFUSED, composed, crashed, found
from tests.causes.snapshot_builders import Scene, file, stat

RESOLV, STUB = "/etc/resolv.conf", "/run/systemd/resolve/stub-resolv.conf"
FOLDER = stat(kind="dir", mode=0o040755)


def closed(*lines: str, accounts: bool = True, user: str = "shop", **files: FileStat) -> Scene:
    scene = crashed(*(lines or NO_NAME), unit_changes={"user": user})
    named = {"resolv": RESOLV, "hosts": "/etc/hosts"}
    stats = [("/", FOLDER), ("/etc", FOLDER), *((named[name], one) for name, one in files.items())]
    scene.node_changes["local"] = {"files": tuple(stats)}
    if accounts:
        scene.files += [file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nshop:x:998:998::/:/bin/sh\n"),
                        file("/etc/group", "root:x:0:\nshop:x:998:\n")]
    return scene


def private(mode: int = 0o600, uid: int = 0, **more: object) -> FileStat:
    return stat(mode=0o100000 | mode, uid=uid, **more)      # type: ignore[arg-type]


def test_hit_a_file_that_only_root_may_read() -> None:
    one = found(closed(resolv=private()))
    assert (one.variant, one.role, one.confidence) == ("start-db-dns-failure", "root", "certain")
    assert one.summary == "backend.service ends at once: db does not resolve: its account shop may not read /etc/resolv.conf"
    assert (RESOLV, "file, mode 0600, owner 0:0") in [(e.where, e.text) for e in one.evidence]
    (repair,) = one.repairs
    assert repair.risk == "manual" and repair.manual.startswith("chmod o+r /etc/resolv.conf, then ")


def test_hit_a_folder_that_is_closed() -> None:
    scene = closed()
    real = replace(stat(kind="link", mode=0o120777), link_target=f"..{STUB}", real_path=STUB, target=private(0o644))
    shut = stat(kind="dir", mode=0o040700)
    scene.node_changes["local"] = {"files": (("/", FOLDER), ("/etc", FOLDER), (RESOLV, real), ("/run/systemd/resolve", shut))}
    one = found(scene)
    assert "shop may not enter /run/systemd/resolve" in one.summary and "chmod o+x /run/systemd/resolve" in one.repairs[0].manual


def test_a_closed_hosts_file_is_likely_only() -> None:
    """A server may know the name as well: then hosts is not what it was looked up by."""
    one = found(closed(resolv=private(0o644), hosts=private()))
    assert one.confidence == "likely" and "may not read /etc/hosts" in one.summary


@pytest.mark.parametrize("scene", [
    closed(resolv=private(0o644), hosts=private(0o644)), closed(resolv=private(), user="root"), closed(),
    closed(resolv=private(), accounts=False), closed(resolv=private(0o600, 998)), closed(*REFUSED, resolv=private()),
])
def test_miss_what_it_may_read_what_is_unknown_and_another_error(scene: Scene) -> None:
    assert "may not read" not in found(scene).summary


def test_hit_in_a_container_that_a_strict_daemon_made() -> None:
    place = "/var/lib/docker/containers/ab/resolv.conf"
    for user, known in (("1000", True), ("shop", True), ("0", False)):
        scene = composed(NO_NAME, networks=(), argv=("sleep",))
        asking = scene.services[0]
        assert asking.container is not None
        scene.services[0] = replace(asking, container=replace(asking.container, user=user, name_files=((RESOLV, place),)))
        made = replace(scene.snapshot(), engine_files=((place, private()),))
        scene.snapshot = lambda made=made: made      # type: ignore[method-assign,misc]
        one = found(scene)
        assert (f"{user} may not read {place} (/etc/resolv.conf)" in one.summary) is known, one.summary
        assert ("umask of 022 (the Docker daemon" in one.repairs[0].manual) is known
