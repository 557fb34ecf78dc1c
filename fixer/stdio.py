"""Standard streams that survive a reader that leaves (`| head -1`), a full disk, or a closed stream."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING

from fixer.errors import FixerError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _ResilientFile(FileIO):
    """A file that discards output once it can no longer write, so that the command keeps its own exit code.
    The interpreter's flush at exit would make it 120. Only a lost product on stdout is reported: a reader that left had
    enough, and stderr has no reader left."""

    def __init__(self, number: int, lost: Callable[[str], Exception]) -> None:
        super().__init__(number, "w", closefd=False)
        self._lost = lost

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if isinstance(error, BrokenPipeError) or self.fileno() == 2:
                return memoryview(data).nbytes
            raise self._lost(f"the output could not be written: {error.strerror}") from None


def protect_streams(lost: Callable[[str], Exception] = FixerError) -> None:
    """Make this process's output survive errors, and open /dev/null for each stream that was closed from the start.
    Otherwise a file opened later would get its number, and with it text for the operator. `lost` makes the error of a
    product that could not be written."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _wrap_stream(sys.stdout, 1, lost), _wrap_stream(sys.stderr, 2, lost)


def _wrap_stream(stream: object, number: int, lost: Callable[[str], Exception]) -> TextIOWrapper:
    encoding = stream.encoding if isinstance(stream, TextIOWrapper) else "utf-8"
    lines = number == 2 or (isinstance(stream, TextIOWrapper) and stream.line_buffering)
    # escape a name that this terminal cannot show, instead of failing
    raw = BufferedWriter(_ResilientFile(number, lost))
    return TextIOWrapper(raw, encoding=encoding, errors="backslashreplace", line_buffering=lines)
