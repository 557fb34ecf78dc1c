"""Ctrl-C during a repair: the first lets the step under way end, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)      # a closed terminal and a stopped unit mean the same


class Interrupts:
    """While it is entered: `asked` after the first interrupt, `abandoned` after the second. In the main thread only."""

    def __init__(self) -> None:
        self.asked = False
        self.abandoned = False
        self._busy = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While this block runs, the first interrupt only asks."""
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._busy and not self.asked:
            self.asked = True
            return
        self.abandoned = self._busy
        self.asked = True
        raise KeyboardInterrupt
