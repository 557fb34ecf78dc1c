"""A file that a container only reads is edited at its mount's source; one that it may write stays where it is."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import WriteFile
from tests.causes.snapshot_builders import wrong_port_scene

SITE = "/etc/nginx/sites-available/shop"
FOLDER = "/etc/nginx/sites-available"


@pytest.mark.parametrize(("mounts", "written"), [
    ((("/srv/office/nginx", FOLDER, False),), ("engine", "/srv/office/nginx/shop", False)),
    ((("/srv/office/site.conf", SITE, False),), ("engine", "/srv/office/site.conf", True)),
    ((("/srv/office/nginx", FOLDER, True),), ("local", SITE, False)),
    ((("/srv/office/other", "/srv/other", False),), ("local", SITE, False)),
    ((("/srv/office/all", "/etc", False), ("/srv/office/nginx", FOLDER, True)), ("local", SITE, False)),
    ((), ("local", SITE, False)),
])
def test_where_a_file_of_a_mount_is_written(mounts: tuple[tuple[str, str, bool], ...], written: tuple[str, str, bool]) -> None:
    """The container has its own service manager: it counts as a machine."""
    scene = wrong_port_scene()
    scene.node_changes["local"] = {"mounts": mounts}
    (repair,) = diagnose(scene.snapshot()).findings[0].repairs
    edit = next(step for step in repair.steps if isinstance(step, WriteFile))
    assert (edit.node, edit.path, edit.in_place) == written
