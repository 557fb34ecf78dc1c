"""Tests of fixer/analysis/exits/folder_maker.py."""

from __future__ import annotations

import pytest

from fixer.analysis.exits.folder_maker import root_folder_maker, runtime_folders
from fixer.model.facts import Evidence
from fixer.model.service import UnitSetting, UnitValue
from fixer.model.snapshot import Service
from tests.causes.snapshot_builders import Scene, service, unit

SOCKET = unit("hub.socket", listen=("/run/hub/a.sock", "127.0.0.1:80"))


def maker(made: Service, folder: str = "/run/hub", *others: Service) -> str:
    scene = Scene().with_service(made)
    scene.services += others
    found = root_folder_maker(scene.snapshot(), scene.services[0], folder)
    return "" if found is None else found.text


def runs(key: str, value: str, *more: tuple[str, str]) -> Service:
    pairs = ((key, value), *more)
    return service(unit_values=tuple(UnitValue(k, v, "/etc/systemd/system/backend.service", n, 0, 1) for n, (k, v) in enumerate(pairs)))


def test_a_socket_unit_makes_what_is_above_its_socket() -> None:
    assert maker(service(socket=SOCKET)) == "hub.socket made it for its socket /run/hub/a.sock, as root"
    assert maker(service(socket=SOCKET), "/run/other") == "" and maker(service(socket=SOCKET), "/srv") == ""


def test_the_socket_unit_of_another_service_does_so_too() -> None:
    other = service("other.service", 1, 55, socket=SOCKET)
    assert maker(service(), "/run/hub", other).startswith("hub.socket made it")


def test_a_folder_of_the_units_own_belongs_to_its_account() -> None:
    own = UnitSetting("RuntimeDirectory", "hub:link other", Evidence("unit", "x:1", "x"))
    made = service(socket=SOCKET, settings=(own,))
    assert maker(made) == "" and runtime_folders(made) == {"/run/hub", "/run/other"}


@pytest.mark.parametrize(("value", "more", "told"), [
    ("+/bin/mkdir -p /run/hub", (), True), ("!/usr/bin/install -d /run/hub/", (), True), ("/bin/mkdir -p /run/hub", (), False),
    ("-/bin/mkdir -p /run/hub", (("PermissionsStartOnly", "true"),), True), ("+/usr/bin/install -d -o shop /run/hub", (), False),
    ("+/bin/mkdir /run/hub2", (), False), ("+/bin/rm -r /run/hub", (), False), ("", (), False),
])
def test_a_step_of_the_start_that_root_runs(value: str, more: tuple[tuple[str, str], ...], told: bool) -> None:
    assert (maker(runs("ExecStartPre", value, *more)) == "ExecStartPre= of its unit makes it as root") is told
