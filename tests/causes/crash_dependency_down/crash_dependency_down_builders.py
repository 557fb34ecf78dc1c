"""What the tests of fixer/causes/crash_dependency_down/__init__.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known
from fixer.model.plan import UnitAction
from fixer.model.snapshot import EnvAssignment, Service
from tests.causes.snapshot_builders import (
    NOW,
    STOPPED,
    Scene,
    container_service,
    failed_service,
    finding_of,
    listener,
    log_lines,
    service,
    unit,
)

CAUSE = "crash-dependency-down"
STARTED = "Started backend.service - Office."
TRACE = (STARTED, "Traceback (most recent call last):", '  File "/srv/shop/app/settings.py", line 8, in <module>')
REFUSED = (*TRACE, 'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 failed: Connection refused',
           "\tIs the server running on that host and accepting TCP/IP connections?", "")
NO_NAME = (*TRACE, 'psycopg2.OperationalError: could not translate host name "db" to address: Name or service not known')


def crashed(*lines: str, **changes: object) -> Scene:
    return Scene().with_service(failed_service(log=log_lines(*(lines or REFUSED)), **changes)).refused()   # type: ignore[arg-type]


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def database(name: str = "postgresql@17-main.service", pid: int | None = None, **changes: object) -> Service:
    about = {"exec_start": ("/usr/bin/pg_ctlcluster", "17-main", "start"), "type": "forking",
             "unit_file_state": "enabled-runtime", **(STOPPED if pid is None else {"main_pid": pid}), **changes}
    return service(name, 1, pid, bindings=Known(()), is_app_server=False, runtime="", unit=unit(name, **about),
                   argv=("/usr/lib/postgresql/17/bin/postgres",))


def umbrella(**changes: object) -> Service:
    about = {"exec_start": ("/bin/true",), "type": "oneshot", "sub_state": "exited", "main_pid": 0, **changes}
    return service("postgresql.service", 1, None, bindings=Known(()), is_app_server=False, runtime="",
                   unit=unit("postgresql.service", **about), argv=("/bin/true",))


def verbs(scene: Scene) -> list[tuple[str, str]]:
    return [(s.verb, s.unit) for s in found(scene).repairs[0].steps if isinstance(s, UnitAction)]


def composed(lines: tuple[str, ...], **db: object) -> Scene:
    about = {"status": "restarting", "exit_code": 1, "restart_count": 4, "restart_policy": "always", "started_at": NOW - 50}
    made = container_service(box=about, pid=None, log=log_lines(*lines[1:]))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    box = {"argv": ("serve",), "networks": (("p_default", "172.18.0.9", ("db", "records")),), **db}
    other = container_service("db", 5432, box=box, is_app_server=False, pid=None if db else 31, bindings=Known(()))
    scene.with_service(other, *([] if db else [listener(5432, 31, "0.0.0.0", node="db")]))
    return scene


NO_ENTRY = (*TRACE, 'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 failed: FATAL:  password '
            'authentication failed for user "shop"')


def env(*names: str) -> tuple[EnvAssignment, ...]:
    return tuple(EnvAssignment(name, f"/etc/default/shop:{n}", False) for n, name in enumerate(names, 1))


FULL = (*TRACE, 'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5432 failed: FATAL:  remaining connection '
        "slots are reserved for roles with the SUPERUSER attribute")
