"""Every run of the tests keeps its labs apart from all others on this machine, and leaves none behind."""

from __future__ import annotations

import os
import runpy
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import hypothesis
import pytest
from xdist.workermanage import NodeManager

from fixer.hosts.machine.prefetch import pending_answers
from lab.errors import LabError
from lab.verbs.down import lab_down

ROOT = Path(__file__).parents[1]
CLEAN_UP_SECONDS = 120      # for a worker whose tests are interrupted: after its 10 xdist kills it, and containers stay


def pytest_configure(config: pytest.Config) -> None:
    """A polite kill ends the run like Ctrl-C: fixtures are torn down, labs removed."""
    if not config.pluginmanager.has_plugin("badgateway"):       # a checkout beside an older installation
        config.pluginmanager.import_plugin("lab.pytest_plugin")
    signal.signal(signal.SIGTERM, _raise_interrupt)
    NodeManager.EXIT_TIMEOUT = CLEAN_UP_SECONDS
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(WorkerInterrupts())
    elif signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell's background job ignores Ctrl-C, and so would every command that a test interrupts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # How long one example takes says how busy this machine is; what must be fast is measured where it is promised.
    hypothesis.settings.register_profile("badgateway", deadline=None)
    hypothesis.settings.load_profile("badgateway")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the tests on real stacks a file's share one machine and one worker; those that bring up their own come first,
    then the files with the most tests: in the end no worker has a long file alone."""
    shared = [item for item in items if item.get_closest_marker("docker") and not item.get_closest_marker("apart")]
    for item in shared:
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    hold_that_stages_see_all(items)
    count = Counter(item.path for item in shared)
    items.sort(key=lambda item: (item.get_closest_marker("apart") is None, -count[item.path]))


def hold_that_stages_see_all(items: list[pytest.Item]) -> None:
    """A stage of script/test imports only the files that name its marker; a test that it would not see is an error."""
    marked_files = runpy.run_path(str(ROOT / "script/run_tests.py"))["marked_files"]
    for marker in ("docker", "matrix"):
        seen = {ROOT / name for name in marked_files(marker)}
        unseen = sorted({item.path.name for item in items if item.get_closest_marker(marker) and item.path not in seen})
        if unseen:
            raise pytest.UsageError(f"{', '.join(unseen)}: no text 'mark.{marker}', so its stage does not import it")


def _raise_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


class WorkerInterrupts:
    """The first interrupt ends a worker's run. execnet sends one more as it ends, which would cut the removal of containers
    short. Where a test has interrupted itself, the next one can be interrupted again."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        signal.signal(signal.SIGINT, self._raise_once)

    def _raise_once(self, number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def no_answer_of_another_test() -> Iterator[None]:
    """A command run in this process may ask ahead and never need the answer: the next test starts without it."""
    yield
    pending_answers.clear()


@pytest.fixture(scope="session", autouse=True)
def own_lab_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The lab's private state is a new folder: a lab that somebody else has up is none of these tests' business.

    At the end whatever lab a test left is found by its record, wherever below this run's folder, and removed by label.
    """
    named = os.environ.get("BADGATEWAY_LAB_STATE")
    os.environ["BADGATEWAY_LAB_STATE"] = str(tmp_path_factory.mktemp("labs"))
    try:
        yield
    finally:
        for path in sorted(tmp_path_factory.getbasetemp().rglob("records/*.json")):
            try:
                os.environ["BADGATEWAY_LAB_STATE"] = str(path.parent.parent)
                lab_down(path.stem, cut_off=True)
            except (LabError, TypeError):
                continue    # no engine, so no lab; or a record that a test made up
        if named is None:
            del os.environ["BADGATEWAY_LAB_STATE"]
        else:
            os.environ["BADGATEWAY_LAB_STATE"] = named
