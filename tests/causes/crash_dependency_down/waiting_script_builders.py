"""What the tests of fixer/causes/crash_dependency_down/waiting_script.py and others are built of."""

from __future__ import annotations

from typing import Any

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Process, Service
from tests.causes.snapshot_builders import NOW, STOPPED, Scene, container_service, process, service, unit

SCRIPT = "/srv/shop/run.sh"
LINE = Evidence("file", f"{SCRIPT}:3", "until pg_isready -q")
DATABASE = Dependency(LINE, host="127.0.0.1", port=5432, engine="postgresql", is_looped=True)
FILE = Dependency(Evidence("file", f"{SCRIPT}:3", "until [ -f /run/keys/shop ]"), path="/run/keys/shop", is_looped=True,
                present=False)


def postgres(**changes: object) -> Service:
    name = "postgresql@17-main.service"
    about = {"type": "forking", "unit_file_state": "enabled-runtime", **STOPPED, **changes}
    return service(name, 1, None, bindings=Known(()), is_app_server=False, runtime="", unit=unit(name, **about),
                   argv=("/usr/lib/postgresql/17/bin/postgres",))


def waiting(*waits: Dependency, age: float = 300.0, below: tuple[str, ...] = ("sleep", "1"), made: Service | None = None,
            **changes: Any) -> Scene:
    """Its shell runs, its server does not."""
    argv = ("/bin/bash", SCRIPT)
    own = made or service(argv=argv, startup_waits=waits, pids=(200, 201), unit_changes={"active_enter": NOW - age}, **changes)
    scene = Scene()
    scene.services.append(own)
    scene.processes += [process(own.pids[0], *argv, started_at=NOW - age),
                        process(201, *below, ppid=own.pids[0], started_at=NOW - 1)]
    return scene.refused()


def told(scene: Scene) -> Diagnosis:
    return diagnose(scene.snapshot())


ENTRY = ("/bin/bash", "/entrypoint.sh", "web")
ENTRY_LINE = Evidence("file", "/entrypoint.sh:4", "until nc -z db 5432")


def on_db(host: str = "db") -> Dependency:
    return Dependency(ENTRY_LINE, host=host, port=5432, engine="postgresql", is_looped=True)


def database_box(status: str = "exited") -> Service:
    return container_service("db", 5432, pid=None, is_app_server=False, runtime="", bindings=Known(()),
                             box={"status": status, "argv": ("postgres",), "image": "postgres:16", "exit_code": 0, "finished_at": NOW - 400})


def waiting_box(name: str = "app", *waits: Dependency, pid: int = 200, below: tuple[str, ...] = ("sleep", "1"), **changes: Any) -> Service:
    """A container whose entry point runs; `processes_of_box` are those in it."""
    box = {"argv": ENTRY, "started_at": NOW - 300, **changes.pop("box", {})}
    return container_service(name, changes.pop("port", 8000), pid=pid, argv=ENTRY, command=(), startup_waits=waits, box=box,
                             **{"pids": (pid, pid + 1), "runtime": "", "bindings": Unknown("in the image"), **changes})


def processes_of_box(pid: int = 200, *below: str) -> list[Process]:
    return [process(pid, *ENTRY, started_at=NOW - 300, ppid=0), process(pid + 1, *(below or ("sleep", "1")), ppid=pid, started_at=NOW - 1)]


def box_scene(made: Service, *others: Service) -> Scene:
    """nginx hands on to a container that waits."""
    scene = Scene("app:8000", back=made.node)
    scene.services += [made, *others]
    scene.processes += processes_of_box(made.pids[0])
    return scene.refused()


def nginx_box_scene(made: Service, *others: Service) -> Scene:
    """The container that waits should start nginx, whose site it has not written yet."""
    scene = Scene("127.0.0.1:8000", node=made.node, back=made.node)
    scene.services += [made, *others]
    scene.listeners.clear()
    scene.processes[:] = processes_of_box(made.pids[0])
    scene.nginx.update({"master_pid": None, "worker_pids": (), "loaded_at": Unknown("not running"), "service": made,
                        "test": Unknown("not asked")})
    return scene
