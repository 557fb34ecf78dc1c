"""Backends beside a stopped database that their configuration names."""

from __future__ import annotations

from typing import Any

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Diagnosis, Finding
from fixer.model.facts import Evidence, Known
from fixer.model.plan import UnitAction
from fixer.model.snapshot import Service
from tests.causes.snapshot_builders import STOPPED, Scene, failed_service, log_lines, service, unit

CAUSE = "crash-dependency-down"
TOLD = Dependency(Evidence("file", "/etc/default/shop:4", "DATABASE_URL… names 127.0.0.1:5432"), host="127.0.0.1",
                port=5432, engine="postgresql")
DATABASE = "postgresql@17-main.service"
STARTED = "Started backend.service - Office."


def postgres(**changes: object) -> Service:
    about = {"type": "forking", "unit_file_state": "enabled-runtime", **STOPPED, **changes}
    return service(DATABASE, 1, None, bindings=Known(()), is_app_server=False, runtime="", unit=unit(DATABASE, **about),
                   argv=("/usr/lib/postgresql/17/bin/postgres",))


def scene(made: Service, provider: Service | None = None) -> Scene:
    built = Scene().with_service(made).refused()
    built.services.append(provider or postgres())
    return built


def ended(*lines: str, **changes: Any) -> Scene:
    return scene(failed_service(log=log_lines(STARTED, *lines), dependencies=(TOLD,), **changes))


def told(built: Scene) -> Diagnosis:
    return diagnose(built.snapshot())


def verbs(found: Finding) -> list[tuple[str, str]]:
    return [(s.verb, s.unit) for s in found.repairs[0].steps if isinstance(s, UnitAction)]
