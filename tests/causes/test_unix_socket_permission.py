"""unix-socket-permission: the socket answers root, and nginx's account is stopped on the way to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known
from fixer.model.kernel import SecurityPolicy
from fixer.model.plan import DaemonReload, UnitAction, WaitForListener, WriteFile
from fixer.model.query import FileStat
from fixer.model.service import CommandArgument, UnitSetting
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    REFUSED,
    SLOW,
    Scene,
    binding,
    file,
    finding_of,
    healthy_scene,
    listener,
    probe,
    process,
    roots,
    service,
    stat,
    unit,
    verdict_of,
    wrong_port_scene,
)

CAUSE, PATH = "unix-socket-permission", "/run/shop/app.sock"
PASSWD = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nshop:x:998:998::/srv:/bin/false\n"
GROUP = "root:x:0:\nwww-data:x:33:\nshop:x:998:\nweb:x:50:www-data,kim\n"
RUNTIME = UnitSetting("RuntimeDirectory", "shop", Evidence("unit", "/etc/systemd/system/backend.service:8", "x"))


def folder(mode: int = 0o755, uid: int = 0, gid: int = 0) -> FileStat:
    return stat(kind="dir", mode=0o40000 | mode, uid=uid, gid=gid)


def denied(socket: FileStat, way: FileStat | None = None, *, runtime: bool = True, path: str = PATH,
           group: str = GROUP) -> Scene:
    """nginx was denied the socket, which answers root."""
    held = replace(listener(1, 200), family="unix", address=path, port=0)
    made = service(bindings=Known((replace(binding(0), host="", unix=path),)), settings=(RUNTIME,) if runtime else ())
    scene = Scene().with_service(made, held).answers(BAD_GATEWAY).endpoint(
        unix=path, host="", port=0, listener=Known(held), tcp=Known(probe()), http=Known(GOOD), configured_service=made.id,
        listening_service=made.id)
    scene.logs(f"connect() to unix:{path} failed (13: Permission denied)", 13, "connecting to upstream")
    scene.processes.append(process(101, "nginx: worker process", uid=33))
    scene.files += [file("/etc/passwd", PASSWD), file("/etc/group", group),
                    file("/etc/systemd/system/backend.service", "[Service]\nExecStart=x\n")]
    parent = path.rsplit("/", 1)[0]
    scene.node_changes["local"] = {"init": "systemd", "files": (
        ("/", folder()), ("/run", folder()), ("/home", folder()), (parent, way or folder(0o755, 998, 998)),
        (path, socket))}
    return scene


def socket(mode: int = 0o777, gid: int = 998) -> FileStat:
    return stat(kind="socket", mode=0o140000 | mode, uid=998, gid=gid)


def found(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)


def drop_in_of(finding: Finding) -> bytes:
    write, reload, restart, wait = finding.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload) and isinstance(restart, UnitAction)
    assert isinstance(wait, WaitForListener) and wait.unix == PATH and finding.repairs[0].risk == "disruptive"
    return write.after or b""


def test_what_systemd_itself_opens_is_said_of_its_socket_unit() -> None:
    scene = denied(socket(0o600, 0))
    scene.services[0] = replace(scene.services[0], socket=unit("backend.socket"))
    (repair,) = found(scene).repairs
    assert repair.risk == "manual" and "systemctl edit backend.socket" in repair.manual
    assert "SocketMode=0660 and SocketGroup=www-data" in repair.manual and "systemctl restart backend.socket" in repair.manual


def test_hit_open_to_a_group_that_nginx_is_not_in() -> None:
    first = found(denied(socket(0o770)))
    assert drop_in_of(first) == b"[Service]\nGroup=www-data\nSupplementaryGroups=shop\n"
    assert "mode 0770, owner 998:998" in first.summary and first.confidence == "certain"


def test_a_server_that_root_starts_gives_its_socket_away_itself() -> None:
    """uid=, gid= and chown-socket= of uWSGI: the unit's group would change nothing."""
    scene = denied(socket(0o660))
    own = scene.services[0].unit
    assert own is not None
    scene.services[0] = replace(scene.services[0], runtime="uwsgi", unit=replace(own, user="", group=""))
    (repair,) = found(scene).repairs
    assert repair.risk == "manual" and "chown-socket = :www-data if root starts it" in repair.manual
    assert "in its unit" not in repair.manual


@pytest.mark.parametrize(("runtime", "advised"), [("uwsgi", "set chmod-socket = 660 in its settings;"), ("gunicorn", "set --umask 007 (-m) in its command;")])
def test_where_the_socket_has_nginxs_group_only_its_mode_is_to_change(runtime: str, advised: str) -> None:
    scene = denied(socket(0o600, 33))
    scene.services[0] = replace(scene.services[0], runtime=runtime)
    assert any(advised in repair.manual for repair in found(scene).repairs)


def test_hit_the_units_own_folder_is_closed() -> None:
    assert drop_in_of(found(denied(socket(), folder(0o700, 998, 998)))) == b"[Service]\nRuntimeDirectoryMode=0711\n"


def test_a_socket_that_only_takes_connections_so_far_is_closed_all_the_same() -> None:
    scene = denied(socket(0o770)).endpoint(http=Known(SLOW))
    assert found(scene).confidence == "certain"


@pytest.mark.parametrize("scene", [
    denied(socket(0o700)),                                                           # a umask closes it to the group too
    denied(socket(), folder(0o750, 998, 998), runtime=False, path="/home/kim/app.sock"),
    denied(socket(0o700), folder(0o700, 998, 998)),
])
def test_what_no_setting_of_the_unit_opens_is_for_a_person(scene: Scene) -> None:
    first = found(scene)
    assert first.repairs[0].risk == "manual" and "www-data" in first.repairs[0].manual


def test_miss_what_answers_and_what_is_refused() -> None:
    for scene in (healthy_scene(), wrong_port_scene(), denied(socket()).answers(GOOD)):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_where_modes_let_it_or_nobody_knows_the_account_or_the_way() -> None:
    strange = denied(socket(0o770))
    strange.files = [f for f in strange.files if f.path != "/etc/group"]
    unseen = denied(socket(0o770))
    unseen.node_changes["local"] = {**unseen.node_changes["local"], "files": ()}
    member = denied(socket(0o770, 50))
    for scene in (denied(socket()), member, strange, unseen):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def umasked(mask: str, mode: int, gid: int = 33) -> Scene:
    scene = denied(socket(mode, gid))
    path, text = "/etc/systemd/system/backend.service", f"[Service]\nExecStart=/usr/bin/gunicorn -m {mask} a:b\n"
    at = text.index(f" {mask} ") + 1
    scene.files = [f if f.path != path else file(path, text) for f in scene.files]
    words = ("/usr/bin/gunicorn", "-m", mask, "a:b")
    command = tuple(CommandArgument(w, path, 2, at, at + len(mask)) if w == mask else CommandArgument(w) for w in words)
    scene.services[0] = replace(scene.services[0], runtime="gunicorn", argv=words, command=command)
    return scene


@pytest.mark.parametrize(("mask", "mode", "wanted"), [("077", 0o700, "007"), ("0027", 0o750, "0007")])
def test_a_umask_that_keeps_nginx_s_own_group_out_is_made_wider(mask: str, mode: int, wanted: str) -> None:
    repair = found(umasked(mask, mode)).repairs[0]
    assert (repair.id, repair.risk) == ("open-umask", "disruptive")
    write, restart = repair.steps[0], [s for s in repair.steps if isinstance(s, UnitAction)]
    assert isinstance(write, WriteFile) and f"gunicorn -m {wanted} a:b".encode() in (write.after or b"")
    assert [s.verb for s in restart] == ["restart"]


@pytest.mark.parametrize("scene", [umasked("077", 0o700, 998), umasked("007", 0o700), umasked("x77", 0o700)])
def test_a_umask_that_is_not_what_keeps_it_out_stays(scene: Scene) -> None:
    first = found(scene)
    assert first.repairs[0].risk == "manual" and "--umask 007" in first.repairs[0].manual


def test_a_home_that_is_closed_is_told_with_the_command_that_lets_pass() -> None:
    scene = denied(socket(), folder(0o750, 998, 998), runtime=False, path="/home/kim/app.sock")
    assert "chmod o+x /home/kim" in found(scene).repairs[0].manual
    scene = denied(socket(0o600))
    scene.services[0] = replace(scene.services[0], runtime="uwsgi")
    assert "chmod-socket = 660" in found(scene).repairs[0].manual


OPEN = stat(kind="socket", mode=0o140777, uid=998, gid=998)


def confined(label: str, socket: FileStat = OPEN) -> Scene:
    """nginx's workers have that label of AppArmor."""
    scene = denied(socket)
    scene.node_changes["local"]["policy"] = Known(SecurityPolicy(None, (), label))
    return scene


@pytest.mark.parametrize("label", ["nginx (enforce)", "/usr/sbin/nginx (enforce)"])
def test_a_profile_for_nginx_is_what_denies_an_open_socket(label: str) -> None:
    diagnosis = diagnose(confined(label).snapshot())
    assert roots(diagnosis) == ["mac-denied"] and isinstance(verdict_of(diagnosis, CAUSE), RuledOut)
    found = finding_of(diagnosis, "mac-denied")
    assert (found.variant, found.confidence) == ("apparmor-denied", "likely") and f"`{PATH} rw,`" in found.repairs[0].manual


@pytest.mark.parametrize("label", ["docker-default (enforce)", "nginx (complain)", "unconfined", ""])
def test_another_label_denies_no_socket(label: str) -> None:
    """Profiles of container engines let every file be used: an access list may still be the reason."""
    diagnosis = diagnose(confined(label).snapshot())
    assert isinstance(verdict_of(diagnosis, CAUSE), Undetermined) and "mac-denied" not in roots(diagnosis)


def test_a_closed_mode_comes_before_a_profile() -> None:
    closed = stat(kind="socket", mode=0o140700, uid=998, gid=998)
    assert roots(diagnose(confined("nginx (enforce)", closed).snapshot())) == [CAUSE]


def unheard(scene: Scene, last: int = 13) -> Scene:
    """The same once the backend has ended: its socket takes nobody; nginx logged that errno last."""
    scene.endpoint(listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), listening_service=None)
    if last != 13:
        scene.logs(f"connect() to unix:{PATH} failed ({last}: x)", last, "connecting to upstream", ago=1.0)
    return scene


@pytest.mark.parametrize(("scene", "found_too"), [
    (unheard(denied(socket(), folder(0o700, 998, 998), runtime=False)), True),
    (unheard(denied(socket(), folder(0o700, 998, 998), runtime=False), last=111), False),     # nginx got as far as the socket
    (unheard(denied(socket(), folder(0o700, 998, 998))), False),      # the next start makes that folder
    (unheard(denied(socket(0o700))), False),                          # and the program its socket
])
def test_a_closed_folder_would_deny_a_backend_that_runs(scene: Scene, found_too: bool) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert (CAUSE in roots(diagnosis)) is found_too
    if found_too:
        assert roots(diagnosis)[0] == CAUSE and finding_of(diagnosis, CAUSE).repairs[0].risk == "manual"
