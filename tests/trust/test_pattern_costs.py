"""No pattern that is applied to what others write is worse than linear: a line of a log, a file, a name that a visitor or
another account shapes never costs more than its length.

Growth is judged, never seconds: the time at n and 4 n. It is 4 times as long if linear, 16 times if quadratic.
By day a third of the patterns, and of those that the judge must find, drawn from the commit; at night all."""

from __future__ import annotations

import functools
import gc
import re
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests.crash.crash_draw import draw_by_day
from tests.trust.hostile_shapes import Shape, fixed_shapes, own_shapes
from tests.trust.project_patterns import METHODS, ProjectPattern, compiled_patterns, project_patterns

Run = Callable[[Any], object]

SIZES = (256, 1024, 4096)       # characters; the first only where the second takes long enough to be measured
TOO_FAST = 0.0002               # seconds of a processor: below that nothing can be told
MEASURABLE, RELIABLE = 0.004, 0.005     # seconds: above the noise; above that of a busy machine, as the least of three runs
SUSPECT, WORSE = 6.0, 8.0       # times as long at 4 n
LONGEST = 1.0                   # seconds of a processor for one shape: no linear pattern needs as many
LARGEST = 1 << 16               # characters; larger texts cost more memory, and so more time for each
PARTS = 9


@functools.cache
def patterns() -> list[ProjectPattern]:
    """Return each pattern once. Finding them takes seconds, which a worker that runs none of these tests does not need."""
    return list({(p.text, p.flags, p.methods): p for p in project_patterns()}.values())


# Name of a pattern: why it may still be worse than linear.
KNOWN: dict[str, str] = {}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", draw_by_day(range(PARTS), "patterns", PARTS // 3))
def test_no_pattern_is_worse_than_linear(part: int) -> None:
    found = [f"{p.place} {sorted(p.methods)}: {p.text!r} on {name}" for p in patterns()[part::PARTS]
             if p.full_name not in KNOWN and (name := worst_shape(p)) is not None]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("text", "method"), draw_by_day([
    (r"\w+ detected changes", "search"),            # at each character of a word
    (r"spawning .*: (\S+)$", "search"),             # at each repetition of its beginning
    (r"^(.*?)\s*$", "match"),                       # at each blank
    (r"(\d+)(\d*)\D*x", "search"),                  # three times as bad
    (r'"((?:\\.|[^"])*)"', "match"),                # twice the time for each character
    (rb"^\s*workers\s*=", "search"),
], "worse patterns", 2))
def test_the_judge_finds_what_is_worse(text: str | bytes, method: str) -> None:
    flags = re.MULTILINE if text.startswith(b"^" if isinstance(text, bytes) else "^") else 0
    assert worst_shape(ProjectPattern("x", 1, "", text, flags, frozenset({method}))) is not None


@pytest.mark.parametrize(("text", "method"), [
    (r"(?<!\w)\w+ detected changes", "search"), (r"(?m:^)(?>.*?spawning ).*: (\S+)$", "search"), (r"\w+ ", "match"),
    (r"open\([^)]{0,500},", "search"), (r'"((?:\\.|[^"\\])*+)"', "match"), (r"(\S+)\s*", "sub"),
])
def test_the_judge_finds_nothing_else(text: str, method: str) -> None:
    assert worst_shape(ProjectPattern("x", 1, "", text, 0, frozenset({method}))) is None


def test_every_pattern_is_found() -> None:
    texts = {p.text for p in patterns()}
    assert len(texts) > 600
    assert [(module, text) for module, text in compiled_patterns() if text not in texts] == []
    assert {method for p in patterns() for method in p.methods} <= METHODS


def test_every_known_exception_is_a_pattern() -> None:
    assert set(KNOWN) <= {p.full_name for p in patterns()}


def worst_shape(pattern: ProjectPattern) -> str | None:
    """Return the name of the first shape on which the pattern is worse than linear; None if there is none."""
    compiled = pattern.compile()
    run = _use_of(compiled, pattern.methods)
    for name, shape in (*fixed_shapes(), *own_shapes(compiled)):
        if _is_worse_than_linear(run, _in_bytes(shape) if isinstance(pattern.text, bytes) else shape):
            return name
    return None


def _in_bytes(shape: Shape) -> Callable[[int], bytes]:
    return lambda size: shape(size).encode("latin-1", "replace")


def _use_of(compiled: re.Pattern[Any], methods: frozenset[str]) -> Run:
    """Return a function that applies a pattern to a text as the code does."""
    nothing = b"" if isinstance(compiled.pattern, bytes) else ""

    def run(text: Any) -> None:
        for method in methods:
            if method in ("sub", "subn"):
                getattr(compiled, method)(lambda _: nothing, text)
            elif method == "finditer":
                list(compiled.finditer(text))
            else:
                getattr(compiled, method)(text)
    return run


class _TooLongError(Exception):
    pass


def _is_worse_than_linear(run: Run, shape: Callable[[int], Any]) -> bool:
    before = signal.signal(signal.SIGVTALRM, _stop)
    gc.disable()        # what is raised during a collection is lost
    try:
        for limit in (LONGEST, 3 * LONGEST):       # a busy machine may need the second
            signal.setitimer(signal.ITIMER_VIRTUAL, limit)
            try:
                size = _suspect_size(run, shape)
            except _TooLongError:
                continue
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            return size > 0 and _grows(run, shape, size)
        return True
    finally:
        gc.enable()
        signal.signal(signal.SIGVTALRM, before)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooLongError


def _suspect_size(run: Run, shape: Callable[[int], Any]) -> int:
    """Return a size at which the time seems to grow faster than the text; 0 if it does not."""
    small, middle, large = SIZES
    now = _seconds(run, shape(large), 1)
    if now <= TOO_FAST:
        return 0                # most end here, after one run
    less = _seconds(run, shape(middle), 2)
    if less > MEASURABLE:
        return middle if less > SUSPECT * _seconds(run, shape(small), 2) else 0
    return large if now > SUSPECT * less else 0


def _grows(run: Run, shape: Callable[[int], Any], size: int) -> bool:
    """Return whether it does at sizes so large that neither noise nor a limit in the pattern explains it."""
    while _seconds(run, shape(size), 1) < RELIABLE:
        size *= 2
        if size > LARGEST:
            return False        # what was suspect and is quadratic takes longer
    least = size
    while least > SIZES[0] and _seconds(run, shape(least // 2), 1) >= RELIABLE:
        least //= 2             # shown there, it is shown with a fraction of the work
    return any(_grows_from(run, shape, start) for start in dict.fromkeys((least, size)))


def _grows_from(run: Run, shape: Callable[[int], Any], size: int) -> bool:
    if not all(_seconds(run, shape(4 * size), 1) >= WORSE * _seconds(run, shape(size), 3) for _ in range(3)):
        return False
    return _grows_on(run, shape(4 * size), shape(16 * size))


def _grows_on(run: Run, text: Any, longer: Any) -> bool:
    """Return whether it does so once more: memory that is mapped anew from some size on costs once, a pattern always."""
    signal.setitimer(signal.ITIMER_VIRTUAL, WORSE * _seconds(run, text, 1))
    try:
        run(longer)
    except _TooLongError:
        return True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return False


def _seconds(run: Run, text: Any, times: int) -> float:
    """Return the least processor time of some runs."""
    found = []
    for _ in range(times):
        start = time.thread_time()
        run(text)
        found.append(time.thread_time() - start)
    return min(found)
