"""Fixtures that several files of this folder share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.stack.lab_records import LabRecord
from tests.lab.stack.symptoms_builders import Answers


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.shutdown_asked = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown_asked.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabRecord:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    parameters: dict[str, str | int | float | bool] = {
        "web": "edge", "backend": "api", "second": "crew", "second_site": False, "port": 8001, "route_port": 8002,
        "site_file": "edge/conf.d/x.conf",
    }
    return LabRecord("shop-3f2a", "wrong-port", "wrong-port", "container-wrong-port", "containers", 7, parameters)
