"""Tests of fixer/analysis/load/server_protocol.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.load.server_protocol import configured_tls
from fixer.diagnose.run_causes import diagnose
from tests.causes.snapshot_builders import Scene, listener, roots, service, wrong_port_scene


def test_a_socket_of_uwsgis_own_protocol_is_no_listener_for_http() -> None:
    """Its command says so, where no file does."""
    argv = ("/usr/bin/uwsgi", "--module", "app:app", "--socket", "127.0.0.1:8000")
    for words, expected in ((argv, []), ((*argv[:3], "--http-socket", "127.0.0.1:8000"), ["wrong-port"])):
        scene = Scene("127.0.0.1:8001").with_service(service(runtime="uwsgi", argv=words), listener(8000, 200)).refused()
        assert roots(diagnose(scene.snapshot())) == expected


def test_another_protocol_is_moved_to_the_server_that_is_made_for_it() -> None:
    for runtime, kind, expected in (("uwsgi", "uwsgi_pass", ["wrong-port"]), ("uvicorn", "uwsgi_pass", []),
                                    ("uwsgi", "grpc_pass", []), ("php-fpm", "fastcgi_pass", ["wrong-port"])):
        scene = wrong_port_scene()
        scene.services = [replace(scene.services[0], runtime=runtime)]
        scene.route[0] = {"kind": kind}
        assert roots(diagnose(scene.snapshot())) == expected, (runtime, kind)


@pytest.mark.parametrize(("runtime", "argv", "expected"), [
    ("uvicorn", ("uvicorn", "app:app"), False),
    ("uvicorn", ("uvicorn", "app:app", "--ssl-certfile=/etc/tls/a.pem"), True),
    ("gunicorn", ("gunicorn", "-c", "conf.py", "app:app"), None),
    ("gunicorn", ("gunicorn", "-c", "conf.py", "app:app", "--certfile", "a.pem"), True),
    ("uwsgi", ("uwsgi", "--http-socket", "127.0.0.1:8000"), False), ("uwsgi", ("uwsgi", "--https", ":8000,a.pem,a.key"), None),
    ("uwsgi", ("uwsgi", "--socket", "127.0.0.1:8000"), None),
    ("node", ("node", "main.js"), None), ("daphne", ("daphne", "app:app"), None), ("uvicorn", (), None),
])
def test_whether_a_command_makes_a_server_speak_tls(runtime: str, argv: tuple[str, ...], expected: bool | None) -> None:
    assert configured_tls(Scene().snapshot(), service(runtime=runtime, argv=argv)) is expected
