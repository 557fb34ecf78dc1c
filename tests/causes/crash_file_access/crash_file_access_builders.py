"""What the tests of fixer/causes/crash_file_access.py and others are built of."""

from __future__ import annotations

from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Binding
from tests.causes.snapshot_builders import Scene, failed_service, file, log_lines, stat

STARTED = "Started backend.service - Office."
HEAD = ("Traceback (most recent call last):", '  File "/srv/shop/app/main.py", line 3, in <module>',
        "    open('/var/log/shop/app.log', 'a')")
END = "backend.service: Failed with result 'exit-code'."


def crashed(*lines: str, **changes: object) -> Scene:
    return Scene().with_service(failed_service(log=log_lines(STARTED, *lines, END), **changes)).refused()   # type: ignore[arg-type]


PASSWD = ("root:x:0:0:root:/root:/bin/sh\nshop:x:998:998::/srv/shop:/bin/sh\n", "root:x:0:\nshop:x:998:\nadm:x:4:shop\n")
WAY = ("/", "/srv", "/srv/shop", "/srv/shop/words")
OPENED = ("Traceback (most recent call last):", '  File "/srv/shop/app/main.py", line 3, in <module>')


def looked_at(said: str, *, call: str = "open('/srv/shop/words').read()", absent: tuple[str, ...] = (),
              accounts: bool = True, scene: Scene | None = None, **modes: int) -> Scene:
    """What was seen of the path after the end; `file` and `folder` are the modes of it and of /srv/shop."""
    made = scene or crashed(*OPENED, f"    {call}", said)
    folder = stat(kind="dir", mode=0o040000 | modes.get("folder", 0o755))
    end = stat(mode=0o100000 | modes.get("file", 0o644))
    stats = {**dict.fromkeys(WAY[:2], stat(kind="dir", mode=0o040755)), WAY[2]: folder, WAY[3]: end}
    made.node_changes["local"] = {"files": tuple((p, s) for p, s in stats.items() if p not in absent), "missing_paths": absent}
    if accounts:
        made.files += [file(path, data) for path, data in zip(("/etc/passwd", "/etc/group"), PASSWD, strict=True)]
    return made


OWN_LINE, OWN_GROUP = "shop:x:998:998::/:/bin/false\n", "shop:x:998:\n"
UNFOUND = 'ERROR:    Error loading ASGI app. Could not import module "app.main".'


def module_below(mode: int, *, line: str = UNFOUND, there: bool = True) -> Scene:
    """The module is there, below a folder of this mode."""
    scene = crashed(line)
    scene.files += [file("/etc/passwd", OWN_LINE), file("/etc/group", OWN_GROUP)]
    shown = {"/": 0o40755, "/srv": 0o40755, "/srv/shop": 0o40755, "/srv/shop/app": 0o40000 | mode}
    stats = [(path, stat(kind="dir", mode=bits)) for path, bits in shown.items()]
    found = [("/srv/shop/app/main.py", stat(mode=0o100644))] if there else []
    scene.node_changes["local"] = {"files": (*stats, *found)}
    return scene

CAUSE = "crash-file-access"
BOUND = (HEAD[0], '  File "uvloop/loop.pyx", line 2184, in create_unix_server')
NOT_THERE = "FileNotFoundError: [Errno 2] No such file or directory"
GUNICORN = "[2026-01-01 10:00:00 +0000] [16] [ERROR] connection to /run/hub/a.sock failed: [Errno {}"
ROOT_ONLY = stat(kind="dir", mode=0o40755)


def no_socket(*lines: str, absent: tuple[str, ...] = ("/run/hub", "/run/hub/a.sock"), **changes: object) -> Scene:
    """A program that is told to make its socket in a folder of /run, and could not."""
    told = Binding("", 0, "/run/hub/a.sock", Evidence("unit", "/etc/systemd/system/backend.service:4", "--uds"))
    scene = crashed(*lines, **{"bindings": Known((told,)), **changes})
    scene.files += [file("/etc/passwd", "root:x:0:0::/:/bin/sh\nshop:x:998:998::/:/bin/false\n"),
                    file("/etc/group", "root:x:0:\nshop:x:998:\n"),
                    file("/etc/systemd/system/backend.service", "[Service]\nExecStart=x\n")]
    there = ("/", "/run", "/run/hub")
    kept = () if "/run/hub/a.sock" in absent else (("/run/hub/a.sock", stat(kind="socket", mode=0o140755, uid=998)),)
    scene.node_changes["local"] = {"init": "systemd", "missing_paths": absent, "files": (
        *((path, ROOT_ONLY) for path in there if path not in absent), *kept)}
    return scene.endpoint(unix="/run/hub/a.sock", host="", port=0)


NO_TEMP_SAID = "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/srv/shop']"
NEW_FILE = "/tmp/badgateway-new"
