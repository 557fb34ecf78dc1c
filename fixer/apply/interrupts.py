"""Signals during a repair: the first lets the current step end, the second stops at once. What a process was started
to ignore (`nohup`, a job in the background), it ignores here, too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # closing a terminal and stopping a unit count as Ctrl-C


class Interrupts:
    """Context manager, main thread only: sets `asked` on the first interrupt, `abandoned` on the second."""

    def __init__(self) -> None:
        self.asked = False
        self.abandoned = False
        self._busy = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # the default would end the process before it says how the run ended
            is_deadly = self.asked and handler is signal.SIG_DFL
            signal.signal(number, _raise_interrupt if is_deadly else handler)  # type: ignore[arg-type]
        self._before.clear()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Within this block the first interrupt only sets `asked`."""
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


def _raise_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
