"""What the tests of fixer/causes/backend_down/manager_state.py and others are built of."""

from __future__ import annotations

from fixer.model.diagnosis import Repair
from fixer.model.plan import ProgramAction, UnitAction
from fixer.model.snapshot import Service
from tests.causes.snapshot_builders import Scene, file

MANAGER_STATE_CONF = "/etc/supervisor/conf.d/shop.conf"
TEXT = '[program:shop]\ncommand=/usr/bin/uvicorn shop:app\nautostart=false\nenvironment=MODE="x"\n'


def supervisord_scene(made: Service) -> Scene:
    found = Scene().with_service(made).refused()
    found.files.append(file(MANAGER_STATE_CONF, TEXT))
    return found


def verbs(repair: Repair) -> list[str]:
    return [s.verb for s in repair.steps if isinstance(s, ProgramAction | UnitAction)]
