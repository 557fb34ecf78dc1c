"""Standard streams that may end before the work does: a reader that leaves (`| head -1`), a full disk, a closed one."""

from __future__ import annotations

import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _ResilientFile(FileIO):
    """What can no longer be written goes nowhere, so that the work goes on and ends with its own exit code: the
    interpreter's flush at the end would make it 120. Only a product that is lost is told: a reader that left had
    enough, and stderr has nobody to tell.
    """

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if isinstance(error, BrokenPipeError) or self.fileno() == 2:
                return memoryview(data).nbytes
            from lab.errors import LabError

            raise LabError(f"the output could not be written: {error.strerror}") from None


def protect_streams() -> None:
    """Make the output of this process so. A stream that was closed from the start leads nowhere: else a file that is
    opened gets its number, and with it what was meant for a person."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _wrap_stream(sys.stdout, 1), _wrap_stream(sys.stderr, 2)


def _wrap_stream(stream: object, number: int) -> TextIOWrapper:
    encoding = stream.encoding if isinstance(stream, TextIOWrapper) else "utf-8"
    lines = number == 2 or (isinstance(stream, TextIOWrapper) and stream.line_buffering)
    # a name that this terminal cannot show is escaped, no error
    raw = BufferedWriter(_ResilientFile(number, "w", closefd=False))
    return TextIOWrapper(raw, encoding=encoding, errors="backslashreplace", line_buffering=lines)
