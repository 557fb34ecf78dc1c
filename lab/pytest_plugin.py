"""Fixtures of pytest: `badgateway_lab("wrong-port", seed=3)` starts a broken stack; the end of the test removes it.

pytest loads this file in every environment that holds the package. Until a test asks for a fixture, it imports nothing
of the lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from lab.scenario.scenario_file import Stack
    from lab.testing.lab_stack import LabStack

NEEDED = ("docker", "httpx", "jsonschema", "testcontainers")


class StartLab(Protocol):
    """What the fixtures give: a call starts a lab, and the lab is removed when the fixture's scope ends."""

    def __call__(self, scenario: str, *, stack: Stack | None = None, seed: int = 1, noise: int = 0) -> LabStack: ...


@pytest.fixture(scope="session")
def _badgateway_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Labs of this run are apart from the user's own, and none outlives the run."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.fail(f"badgateway_lab: {', '.join(missing)} not installed: the wheel was installed without its extra "
                    "'lab'\n  pip install './badgateway-VERSION-py3-none-any.whl[lab]'", pytrace=False)
    from lab.testing.guard import guarded_state

    with guarded_state(tmp_path_factory.mktemp("badgateway-lab")):
        yield


def _labs(_badgateway_state: None) -> Iterator[StartLab]:
    """Start labs of SCENARIO or SCENARIO/VARIANT: each with `.url`, `.target` and `.check()`."""
    from lab.errors import LabError
    from lab.testing.lab_stack import LabStack

    with ExitStack() as running:
        def start(scenario: str, *, stack: Stack | None = None, seed: int = 1, noise: int = 0) -> LabStack:
            try:
                return running.enter_context(LabStack(scenario, stack=stack, seed=seed, noise=noise))
            except LabError as error:
                pytest.fail("\n  ".join(filter(None, [f"badgateway_lab: {error.message}", error.hint])), pytrace=False)

        yield start


badgateway_lab = pytest.fixture(_labs, name="badgateway_lab")
module_badgateway_lab = pytest.fixture(_labs, name="module_badgateway_lab", scope="module")
session_badgateway_lab = pytest.fixture(_labs, name="session_badgateway_lab", scope="session")
