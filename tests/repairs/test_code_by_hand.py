"""Tests of fixer/repairs/code_by_hand.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import open_case
from fixer.repairs.code_by_hand import install_text
from tests.causes.snapshot_builders import Scene, container_service, service

GONE = "(installed in the container alone, it is gone with the next one)"


def said(argv: tuple[str, ...], runtime: str = "uvicorn", **box: object) -> str:
    """What to do for a service of a container that is nginx's too, or of a machine without one."""
    scene = Scene()
    scene.services = [replace(service(), argv=argv, runtime=runtime)]
    if box:
        whole = container_service("all", 80, pid=100, is_app_server=False, box=box)
        scene.nginx["service"] = replace(whole, node=scene.services[0].node)
    return install_text(open_case(scene.snapshot(), {}), scene.services[0], "orjson")


@pytest.mark.parametrize(("argv", "runtime", "user"), [
    (("/usr/bin/uvicorn", "a:b"), "uvicorn", "the Python that runs /usr/bin/uvicorn"), (("node", "/srv/a.js"), "node", "node"),
    (("/usr/bin/uwsgi", "--plugin", "python3", "--module", "a"), "uwsgi", "uWSGI's plugin python3"),
    (("/usr/bin/uwsgi", "--plugins=http,python311"), "uwsgi", "uWSGI's plugin python311"),
    (("/usr/bin/uwsgi", "--plugin", "http"), "uwsgi", "the Python that runs /usr/bin/uwsgi"),
    (("/sbin/docker-init", "--", "/usr/bin/gunicorn", "a:b"), "gunicorn", "the Python that runs /usr/bin/gunicorn"),
    (("/usr/bin/tini", "--", "/usr/bin/python3", "a.py"), "python", "/usr/bin/python3"),
    (("/usr/bin/python3", "a.py"), "python", "/usr/bin/python3"), ((), "", "the Python that runs backend.service"),
])
def test_whose_package_it_is(argv: tuple[str, ...], runtime: str, user: str) -> None:
    assert said(argv, runtime).startswith(f"install the package that provides orjson for {user} (")


def test_a_program_of_a_container_needs_another_image() -> None:
    """One container with all of it, started by docker run: what pip installs there is gone with it."""
    argv = ("/usr/bin/uvicorn", "a:b")
    assert said(argv, image="office:3") == (
        f"rebuild the image office:3 with the package that provides orjson for the Python that runs /usr/bin/uvicorn {GONE}")
    assert "the distribution's package" in said(argv, image="office:3", is_machine=True)
