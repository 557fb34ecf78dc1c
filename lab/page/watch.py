"""Questions asked again and again, only while somebody listens: a page that nobody watches costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from lab.errors import LabError

Look = Callable[[], dict[str, Any]]
_BACKLOG = 200  # events that a slow listener may be behind; then it misses some


@dataclass
class Watch:
    """Questions by the name of their event, each asked every so many seconds while there is a listener."""

    questions: dict[str, tuple[float, Look]]
    listeners: set[asyncio.Queue[str]] = field(default_factory=set)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is asked."""
        return not self.tasks

    async def listen(self) -> AsyncIterator[str]:
        """Yield events as a browser reads them, until the listener leaves."""
        queue: asyncio.Queue[str] = asyncio.Queue(_BACKLOG)
        self.listeners.add(queue)
        if self.is_idle:
            self.tasks = [asyncio.create_task(self._ask(name, seconds, look))
                          for name, (seconds, look) in self.questions.items()]
        try:
            yield ": welcome\n\n"
            while True:
                yield await queue.get()
        finally:
            self.listeners.discard(queue)
            if not self.listeners:
                self._rest()

    def _rest(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.tasks = []

    async def _ask(self, name: str, seconds: float, look: Look) -> None:
        """Ask in a thread, tell all listeners, wait, ask again."""
        while True:
            try:
                found = await asyncio.to_thread(look)
            except LabError as error:
                name_of, found = "trouble", {"message": error.message}
            else:
                name_of = name
            text = event_text(name_of, found)
            for queue in self.listeners:
                with contextlib.suppress(asyncio.QueueFull):
                    queue.put_nowait(text)
            await asyncio.sleep(seconds)


def event_text(name: str, data: dict[str, Any]) -> str:
    """Return a server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
