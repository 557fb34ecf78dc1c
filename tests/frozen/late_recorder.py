"""The recorder as a plugin beside coverage, which counts what is imported before it begins as never run."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """A worker of xdist measures from here on, and nothing is collected yet."""
    session.config.pluginmanager.import_plugin("tests.frozen.recorder")
