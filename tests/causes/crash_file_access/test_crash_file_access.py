"""crash-file-access: the last words of a start name a file that the program could not use."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import UnitAction
from fixer.model.service import UnitValue
from fixer.redaction.secrets import redact_text
from tests.causes.crash_file_access.crash_file_access_builders import (
    BOUND,
    CAUSE,
    GUNICORN,
    HEAD,
    NOT_THERE,
    OPENED,
    crashed,
    looked_at,
    module_below,
    no_socket,
)
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    container_service,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    log_lines,
    probe,
    roots,
    stat,
    stopped_service,
    unit,
    verdict_of,
    wrong_port_scene,
)

DENIED = "PermissionError: [Errno 13] Permission denied: '/var/log/shop/app.log'"
SQLITE = "sqlite3.OperationalError: unable to open database file"
READONLY = "sqlite3.OperationalError: attempt to write a readonly database"


@pytest.mark.parametrize(("lines", "variant", "words"), [
    ((*HEAD, DENIED), "start-file-denied", "shop cannot access /var/log/shop/app.log"),
    ((*HEAD, "FileNotFoundError: [Errno 2] No such file or directory: '/var/log/shop/app.log'"), "start-file-missing",
     "/var/log/shop/app.log is not there"),
    ((*HEAD, "OSError: [Errno 30] Read-only file system: '/var/log/shop/app.log'"), "start-file-denied", "read-only"),
    (("Error: Error: '/var/log/shop/e.log' isn't writable [FileNotFoundError(2, 'No such file or directory')]",),
     "start-file-missing", "/var/log/shop/e.log is not there"),
    (("Error: EACCES: permission denied, open '/srv/shop/data.json'",), "start-file-denied", "/srv/shop/data.json"),
    (("python3: can't open file '/srv/shop/main.py': [Errno 2] No such file or directory",), "start-file-missing",
     "/srv/shop/main.py is not there"),
    ((*HEAD[:2], '    DB = sqlite3.connect("/srv/shop/a.db")', "         ~~~~~^^^^", SQLITE), "start-file-missing",
     "/srv/shop/a.db is not there"),
    ((*HEAD[:2], "    DB = connect('file:/srv/shop/a.db?mode=rw', uri=True)", READONLY), "start-file-denied",
     "shop cannot access /srv/shop/a.db"),
])
def test_hit(lines: tuple[str, ...], variant: str, words: str) -> None:
    diagnosis = diagnose(crashed(*lines).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.repairs[0].risk) == (variant, "manual") and words in first.summary
    assert "start backend.service" in first.repairs[0].manual and not first.repairs[0].steps


def test_miss_what_is_well_down_or_says_something_else_last() -> None:
    later = crashed(*HEAD, DENIED, "During handling of the above exception, another exception occurred:",
                    "RuntimeError: no settings")
    served = crashed("INFO:     Application startup complete.", "ValueError: x")
    visitor = crashed('10.0.0.9 - "GET /?PermissionError: [Errno 13] Permission denied: \'/etc/x\' HTTP/1.1" 200')
    code = crashed(*HEAD, "ModuleNotFoundError: No module named 'orjson'")
    nameless = crashed(*HEAD[:2], "    DB = sqlite3.connect(PATH)", SQLITE)
    again = crashed(*HEAD, DENIED, *HEAD, "zlib.error: odd")
    for scene in (healthy_scene(), nameless, wrong_port_scene(), Scene().with_service(stopped_service()).refused(), later, served, visitor, code,
                  again):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_what_the_log_says() -> None:
    scene = Scene().with_service(failed_service(log=Unknown("not root"))).refused()
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


GONE_SAID = "FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/words'"
DENIED_SAID = "PermissionError: [Errno 13] Permission denied: '/srv/shop/words'"


@pytest.mark.parametrize(("said", "modes"), [
    (GONE_SAID, {}), (DENIED_SAID, {}), (DENIED_SAID, {"folder": 0o711}),
])
def test_what_is_mended_by_now_needs_a_start_and_nothing_else(said: str, modes: dict[str, int]) -> None:
    first = finding_of(diagnose(looked_at(said, **modes).snapshot()), CAUSE)
    (repair,) = first.repairs
    assert (first.confidence, repair.id, repair.risk) == ("likely", "start-service", "safe")
    assert "the service was not started again" in first.summary
    assert ("getfacl -p /srv/shop/words" in " ".join(first.detail)) is (said == DENIED_SAID)
    assert any((e.where, e.text[:10]) == ("/srv/shop/words", "file, mode") for e in first.evidence)
    assert [s.verb for s in repair.steps if isinstance(s, UnitAction)] == ["reset-failed", "start"]


@pytest.mark.parametrize("lines", [(*BOUND, "PermissionError: [Errno 13] Permission denied"),
                                   (GUNICORN.format("13] Permission denied"),)])
def test_a_folder_that_it_may_not_write_to_is_named(lines: tuple[str, ...]) -> None:
    first = finding_of(diagnose(no_socket(*lines, absent=("/run/hub/a.sock",)).snapshot()), CAUSE)
    assert "shop may not write to /run/hub" in first.summary and first.repairs[0].risk == "manual"


REMOVED = ('  File "/usr/lib/python3/dist-packages/uvicorn/main.py", line 584, in run', "    os.remove(config.uds)",
           "PermissionError: [Errno 13] Permission denied: '/run/hub/a.sock'")


@pytest.mark.parametrize(("lines", "failed"), [
    ((GUNICORN.format("13] Permission denied: '/run/hub/a.sock'"),), True),
    (("OSError: [Errno 98] Address '/run/hub/a.sock' is already in use", *HEAD[:1], *REMOVED), True),
    (("Unable to check or remove stale UNIX socket '/run/hub/a.sock': PermissionError(13, 'Permission denied')",
      "OSError: [Errno 98] Address '/run/hub/a.sock' is already in use"), True),
    (("error removing unix socket, unlink(): Permission denied [core/socket.c line 198]",
      "bind(): Address already in use [core/socket.c line 230]"), True),
    (("2026-12-02 20:41:07,072 CRITICAL Listen failure: [Errno 13] Permission denied: b'/run/hub/a.sock.lock'",), False),
])
def test_an_old_socket_in_a_folder_that_it_may_not_write_to_is_not_in_its_way(lines: tuple[str, ...], failed: bool) -> None:
    """It cannot create its socket, whoever owns the old one; daphne even ends with success."""
    scene = no_socket(*lines, absent=())
    scene.endpoint(tcp=Known(probe(None, error="refused")), listener=Known(None))
    if not failed:
        over = (*lines, "backend.service: Deactivated successfully.")
        scene.services[0] = replace(stopped_service(log=log_lines("Started backend.service.", *over)), runtime="daphne",
                                    bindings=scene.services[0].bindings)
    diagnosis = diagnose(scene.snapshot())
    first = finding_of(diagnosis, CAUSE)
    assert roots(diagnosis) == [CAUSE] and first.variant == "start-file-denied"
    assert "shop may not write to /run/hub, so it cannot create its socket" in first.summary
    assert "let shop write to /run/hub (chown or chmod)" in first.repairs[0].manual


def test_an_old_socket_that_it_may_remove_by_now_needs_a_start() -> None:
    scene = no_socket(GUNICORN.format("13] Permission denied"), absent=())
    own = stat(kind="dir", mode=0o41777)        # everybody's, each removes what is its own
    files = dict(scene.node_changes["local"]["files"])
    for owner, repair in ((998, "start-service"), (33, "open-path")):
        kept = replace(files["/run/hub/a.sock"], uid=owner)
        scene.node_changes["local"]["files"] = tuple({**files, "/run/hub": own, "/run/hub/a.sock": kept}.items())
        assert finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].id == repair


def test_the_unit_that_made_the_folder_as_root_is_named() -> None:
    """gunicorn of a socket unit, with a pid file beside the socket."""
    scene = no_socket(*HEAD[:2], "PermissionError: [Errno 13] Permission denied: '/run/hub/tmpx1'", absent=("/run/hub/tmpx1",))
    scene.services[0] = replace(scene.services[0], socket=unit("hub.socket", listen=("/run/hub/a.sock",)))
    first = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert first.summary.endswith("(shop may not write to /run/hub): hub.socket made it for its socket /run/hub/a.sock, as root")
    assert "RuntimeDirectory=hub-own" in first.repairs[0].manual and "a chown does not last" in first.repairs[0].manual
    assert ("hub.socket", "ListenStream=/run/hub/a.sock") in [(e.where, e.text) for e in first.evidence]


def test_a_step_of_root_that_makes_the_folder_is_named() -> None:
    step = UnitValue("ExecStartPre", "+/usr/bin/mkdir -p /run/hub", "/etc/systemd/system/backend.service", 5, 0, 1)
    scene = no_socket(*HEAD[:2], "PermissionError: [Errno 13] Permission denied: '/run/hub/pid'", absent=("/run/hub/pid",),
                      unit_values=(step,))
    first = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert first.summary.endswith("ExecStartPre= of its unit makes it as root")
    assert "set RuntimeDirectory=hub in the unit" in first.repairs[0].manual


@pytest.mark.parametrize("lines", [(HEAD[0], "    open(path)", NOT_THERE), (GUNICORN.format("2] No").replace("hub", "pub"),)])
def test_what_is_not_said_of_its_own_socket_names_none(lines: tuple[str, ...]) -> None:
    assert CAUSE not in roots(diagnose(no_socket(*lines).snapshot()))


LOADS = ("Process SpawnProcess-1:", "Traceback (most recent call last):",
         '  File "/usr/lib/python3/dist-packages/hypercorn/config.py", line 179, in create_ssl_context',
         "    context.load_cert_chain(", "    ~~~~~~~~~~~~~~~~~~~~~~~^", "        certfile=self.certfile,",
         "        ^^^^^^^^^^^^^^^^^^^^^^^", "        keyfile=self.keyfile,", "        ^^^^^^^^^^^^^^^^^^^^^",
         "        password=self.keyfile_password,", "        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^", "    )", "    ^")
SHUT, ABSENT = "PermissionError: [Errno 13] Permission denied", "FileNotFoundError: [Errno 2] No such file or directory"
SERVES = ("/usr/bin/hypercorn", "app:app", "--certfile=/srv/tls/cert.pem", "--keyfile", "/srv/tls/key.pem")


def tls_files(scene: Scene, key: int | None = 0o600, owner: int = 0) -> Scene:
    stats = {**dict.fromkeys(("/", "/srv", "/srv/tls"), stat(kind="dir", mode=0o040755)),
             "/srv/tls/cert.pem": stat(mode=0o100644)}
    if key is not None:
        stats["/srv/tls/key.pem"] = stat(mode=0o100000 | key, uid=owner)
    scene.node_changes["local"] = {"files": tuple(stats.items()), "missing_paths": () if key else ("/srv/tls/key.pem",)}
    scene.files += [file("/etc/passwd", "root:x:0:0::/:/bin/sh\nshop:x:998:998::/:/bin/sh\n"),
                    file("/etc/group", "shop:x:998:\n")]
    return scene


@pytest.mark.parametrize(("said", "key", "variant", "words"), [
    (SHUT, 0o600, "start-file-denied", "shop may not read /srv/tls/key.pem"),
    (ABSENT, None, "start-file-missing", "/srv/tls/key.pem is not there"),
])
def test_hit_of_a_key_that_may_not_be_opened_the_disk_tells_which_file(
    said: str, key: int | None, variant: str, words: str,
) -> None:
    diagnosis = diagnose(tls_files(crashed(*LOADS, said, argv=SERVES), key).snapshot())
    first = finding_of(diagnosis, CAUSE)
    assert (roots(diagnosis), first.variant, first.confidence) == ([CAUSE], variant, "certain")
    assert words in first.summary and first.repairs[0].risk == "manual"


def test_a_key_that_may_be_read_by_now_is_only_started_again_and_one_that_nobody_names_is_no_mismatch() -> None:
    again = finding_of(diagnose(tls_files(crashed(*LOADS, SHUT, argv=SERVES), 0o640, 998).snapshot()), CAUSE)
    assert "it is there now" in again.summary and again.repairs[0].id == "start-service"
    unnamed = diagnose(crashed(*LOADS, SHUT, argv=("/usr/bin/hypercorn", "-c", "h.toml", "app:app")).snapshot())
    code = finding_of(unnamed, "crash-code-error")
    assert code.variant is None and "Permission denied" in code.summary


def in_container(said: str, **box: object) -> Finding:
    made = {"status": "restarting", "exit_code": 1, "started_at": NOW - 40, "finished_at": NOW - 20, **box}
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box=made, log=log_lines(*OPENED, "    open('/srv/shop/words')", said), pids=())).refused()
    return finding_of(diagnose(scene.snapshot()), CAUSE)


def test_of_a_container_its_own_account_and_what_is_mounted_are_named_and_no_unit() -> None:
    denied, gone = in_container(DENIED_SAID, user="1234"), in_container(GONE_SAID)
    assert "1234 cannot access /srv/shop/words" in denied.summary
    assert "Directory=" not in gone.repairs[0].manual and "a secret of its service" in gone.repairs[0].manual
    assert "redacted" not in redact_text(gone.repairs[0].manual)      # with a colon it is taken for the name of a value


@pytest.mark.parametrize(("mounts", "certain"), [
    ((), True), ((("/home/lab/code", "/srv/unused", False),), True), ((("/home/lab/code", "/srv", False),), True),
])
def test_what_the_image_of_a_container_lacks_is_certain(mounts: tuple[tuple[str, str, bool], ...], certain: bool) -> None:
    """Nothing is mounted there, so what its last run did not find is not there now."""
    assert (in_container(GONE_SAID, mounts=mounts).confidence == "certain") is certain
    volume = in_container(GONE_SAID, shares=(("/volumes/p_data/_data", "/srv/shop"),))
    assert volume.confidence == "likely" and any("could not be read" in line for line in volume.detail)
    assert in_container(DENIED_SAID).confidence == "likely"


def test_a_container_that_was_made_read_only_is_certain_where_nothing_is_mounted() -> None:
    said = "OSError: [Errno 30] Read-only file system: '/srv/shop/words'"
    first = in_container(said, read_only=True)
    assert first.confidence == "certain" and "was made read-only" in first.summary
    assert "a volume or a tmpfs at /srv/shop" in first.repairs[0].manual and "unit" not in first.repairs[0].manual
    for box in ({"read_only": False}, {"read_only": True, "shares": (("/var/lib/docker/volumes/v/_data", "/srv"),)}):
        assert in_container(said, **box).confidence == "likely"


@pytest.mark.parametrize("scene", [module_below(0o755), module_below(0o700, there=False)])
def test_a_module_that_is_not_there_or_that_it_may_read_is_no_question_of_rights(scene: Scene) -> None:
    assert roots(diagnose(scene.snapshot())) == ["crash-code-error"]


@pytest.mark.parametrize(("said", "path"), [
    ("Error: can't chdir to '/srv/shop/current'", "/srv/shop/current"),
    ("Error: '/etc/gunicorn/shop.py' doesn't exist", "/etc/gunicorn/shop.py"),
    ("Error: Invalid value for '--env-file': Path '.env.prod' does not exist.", "/srv/shop/.env.prod"),
    ("Error: Invalid value for '--log-config': Path '/etc/shop/log.yaml' does not exist.", "/etc/shop/log.yaml"),
])
def test_a_file_that_the_command_names_and_that_is_not_there(said: str, path: str) -> None:
    scene = crashed(said)
    scene.node_changes["local"] = {"missing_paths": (path,)}
    finding = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (finding.variant, finding.confidence) == ("start-file-missing", "certain") and path in finding.summary


FOLDER_SAID = "IsADirectoryError: [Errno 21] Is a directory: '/srv/shop/words'"


def test_a_folder_in_the_place_of_a_file_is_named_where_docker_made_it_too() -> None:
    here = looked_at(FOLDER_SAID)
    here.node_changes["local"] = {"files": (("/srv/shop/words", stat(kind="dir", mode=0o040755)),)}
    first = finding_of(diagnose(here.snapshot()), CAUSE)
    assert (first.variant, first.confidence) == ("start-file-missing", "certain") and "is a folder" in first.summary
    mended = looked_at(FOLDER_SAID)
    again = finding_of(diagnose(mended.snapshot()), CAUSE)
    assert "was not started again" in again.summary and again.repairs[0].risk == "safe"
    inside = in_container(FOLDER_SAID)
    assert "Docker creates an empty folder" in inside.repairs[0].manual and inside.confidence == "likely"


NODE_SAID = ("Error: EISDIR: illegal operation on a directory, read", "    at Object.readFileSync (node:fs:441:20)",
             "    at load (/srv/app/main.js:9:12) {", "  errno: -21,", "  code: 'EISDIR',", "  syscall: 'read'", "}")
MOUNTS = (("/home/lab/code", "/srv/app", False), ("/home/lab/words.json", "/etc/app/words.json", False),
          ("/home/lab/more.yaml", "/etc/app/more.yaml", False))


def mounted(*folders: str, mounts: tuple[tuple[str, str, bool], ...] = MOUNTS) -> Scene:
    """A container whose program read a folder; of what it mounts, these are folders of the host."""
    box = {"status": "restarting", "exit_code": 1, "restart_count": 4, "mounts": mounts, "started_at": NOW - 50}
    made = container_service(pid=None, log=log_lines(*NODE_SAID), box=box)
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    kinds = {source: stat(kind="dir" if source in folders else "file") for source, _, _ in mounts}
    scene.extra = {"engine_files": tuple(kinds.items())}
    return scene


def test_what_node_does_not_name_is_the_only_mount_that_should_be_a_file() -> None:
    found = finding_of(diagnose(mounted("/home/lab/code", "/home/lab/words.json").snapshot()), CAUSE)
    assert (found.variant, found.confidence) == ("start-file-missing", "likely")
    assert "/etc/app/words.json is a folder" in found.summary and "Docker creates an empty folder" in found.repairs[0].manual


@pytest.mark.parametrize("scene", [
    mounted("/home/lab/code"),                                                        # all files are files
    mounted("/home/lab/code", "/home/lab/words.json", "/home/lab/more.yaml"),         # which of them?
    mounted("/home/lab/code", mounts=MOUNTS[:1]),                                     # no file is mounted
])
def test_a_folder_that_no_single_mount_explains_is_not_named(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))
