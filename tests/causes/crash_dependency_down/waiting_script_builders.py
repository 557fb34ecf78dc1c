"""What the tests of fixer/causes/crash_dependency_down/waiting_script.py and others are built of."""

from __future__ import annotations

from typing import Any

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Service
from tests.causes.snapshot_builders import NOW, STOPPED, Scene, process, service, unit

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
