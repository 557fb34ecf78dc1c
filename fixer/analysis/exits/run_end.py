"""The end of a run: its last log lines, without what visitors wrote, and whether the run came to serve."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from fixer.analysis.run_log import message_of
from fixer.formats.application_servers import STARTUP_COMPLETE
from fixer.formats.run_output import is_request_line
from fixer.lazy.dataclass import dataclass
from fixer.model.snapshot import LogLine

_TAIL_LINES = 120              # lines of a run's end that are read


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The last lines of a run. `texts` are their messages; the text of a request line is empty: it proves nothing.

    `served_at` is the index of the last line that says that this run came up, -1 if no line does.
    """

    lines: tuple[LogLine, ...]
    texts: tuple[str, ...]
    served_at: int

    def newest_first(self) -> Iterator[int]:
        """Return the indices from the last line back to the one that says that the run came up."""
        return iter(range(len(self.lines) - 1, self.served_at, -1))

    def find_last(self, matches: Callable[[str], object]) -> int | None:
        """Return the index of the last line that matches, wherever the run came up."""
        return next((i for i in range(len(self.texts) - 1, -1, -1) if self.texts[i] and matches(self.texts[i])), None)

    def last_line(self, pattern: re.Pattern[str]) -> LogLine | None:
        """Return the last line in which the pattern occurs."""
        index = self.find_last(pattern.search)
        return None if index is None else self.lines[index]

    def above(self, line: LogLine, most: int) -> tuple[str, ...]:
        """Return the texts of up to `most` lines above the line."""
        index = next((i for i, one in enumerate(self.lines) if one is line), 0)
        return self.texts[max(0, index - most):index]


NO_OUTPUT = RunEnd((), (), -1)


def read_run_end(lines: Sequence[LogLine], since: float = 0.0, most: int = _TAIL_LINES) -> RunEnd:
    """Read the last `most` lines of a run that began at `since`: an earlier run may have come up before it."""
    tail = tuple(lines[-most:])
    texts = tuple("" if is_request_line(text) else text for line in tail for text in (message_of(line).rstrip(),))
    served = [i for i, line in enumerate(tail) if STARTUP_COMPLETE in texts[i]
              and (line.at is None or line.at >= since)]
    return RunEnd(tail, texts, served[-1] if served else -1)
