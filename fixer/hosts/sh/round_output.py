"""Raw output of an sh round, split by its nonce and its unforgeable path prefix; contents are not inspected."""

from __future__ import annotations

import os
import stat as st
from collections.abc import Iterator, Sequence

from fixer.hosts.machine.read_files import kind_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.query import FileStat

_HEADER_LIMIT = 400  # bytes of the first line of a frame
_META = regex(rb"([0-9a-f]+) (\d+) (\d+) (\d+) (-?\d+) (\d+) (\d+) (.*)\Z")
_LS = regex(rb"\s*(\d+) (\S{10})\S* +(\d+) +(\d+) +(\d+) +(?:\d+, *)?(\d+) ")
_FRACTION = regex(rb"\.(\d+)")
_TYPES = {"-": st.S_IFREG, "d": st.S_IFDIR, "l": st.S_IFLNK, "s": st.S_IFSOCK, "p": st.S_IFIFO, "c": st.S_IFCHR,
          "b": st.S_IFBLK}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its header (first item the query's index or a name) and the bytes up to the next frame."""

    header: tuple[str, ...]
    data: bytes


def split_frames(output: bytes, nonce: bytes) -> tuple[list[Frame], bool]:
    """Return the frames in order, and whether the round ran to its end."""
    items = []
    mark = b"\n" + nonce + b" "
    begin = output.find(mark)
    while begin >= 0:  # by positions: a copy of all frames beside the output costs as much memory again
        following = output.find(mark, begin + len(mark))
        end = following if following >= 0 else len(output)
        line = output.find(b"\n", begin + len(mark), end)
        line = line if line >= 0 else end
        head = output[begin + len(mark) : min(line, begin + _HEADER_LIMIT)]
        items.append(Frame(tuple(head.decode("ascii", "replace").split()), output[line + 1 : end]))
        begin = following
    ended = bool(items) and items[-1].header == ("end",)
    return items, ended


def path_text(raw: bytes) -> str:
    """Return a path as str, with all its bytes."""
    return os.fsdecode(raw)


def split_contents(data: bytes, prefix: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) from the output of head or tail for several files."""
    mark = b"\n==> " + prefix
    begin = data.find(mark)
    while begin >= 0:
        following = data.find(mark, begin + len(mark))
        end = following if following >= 0 else len(data)
        head = data.find(b" <==\n", begin, end)
        if head >= 0:
            yield path_text(data[begin + len(mark) : head]), data[head + 5 : end]
        begin = following


def split_lines(data: bytes, prefix: bytes) -> list[str]:
    """Return the paths of a list, one a line; a path may contain line breaks. Empty names are marks."""
    return [path_text(chunk.removesuffix(b"\n")) for chunk in data.split(prefix)[1:]]


def split_listing(data: bytes, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (columns before the name, name and the rest) of each line of `ls -l`, whatever the names contain."""
    chunks = data.split(prefix)
    columns = chunks[0].rpartition(b"\n")[2]
    for number, chunk in enumerate(chunks[1:], 1):
        last = number == len(chunks) - 1
        text, _, following = (chunk.removesuffix(b"\n"), b"", b"") if last else chunk.rpartition(b"\n")
        yield columns, text
        columns = following


def split_links(data: bytes, prefix: bytes) -> dict[str, str | None]:
    """Return path -> target of each link in an `ls -l`; None if it could not be read."""
    found: dict[str, str | None] = {}
    for columns, text in split_listing(data, prefix):
        if b"l" in columns[:24]:  # else a plain name that may contain an arrow
            path, arrow, target = text.partition(b" -> ")
            found[path_text(path)] = path_text(target) if arrow else None
    return found


def split_stats(data: bytes, prefix: bytes) -> dict[str, FileStat]:
    """Return path -> stat from the output of `stat -c`, without targets and real paths."""
    found: dict[str, FileStat] = {}
    for chunk in data.split(prefix)[1:]:
        path, _, meta = chunk.removesuffix(b"\n").rpartition(b"|")
        if match := _META.match(meta):
            mode = int(match[1], 16)
            numbers = [int(match[n]) for n in range(2, 8)]
            fraction = _FRACTION.search(match[8])
            mtime = numbers[3] + (float(b"0." + fraction[1]) if fraction else 0.0)
            found[path_text(path)] = FileStat(
                kind_of(mode), st.S_IMODE(mode), numbers[0], numbers[1], numbers[2], mtime, numbers[5], numbers[4],
            )
    return found


def split_ls_stats(data: bytes, prefix: bytes) -> dict[str, FileStat]:
    """Return the same from `ls -lnid`, for nodes without stat; the modification time is unknown then (0)."""
    found: dict[str, FileStat] = {}
    for columns, text in split_listing(data, prefix):
        if match := _LS.match(columns):
            letters = match[2].decode("ascii", "replace")
            mode = mode_of(letters)
            path = text.partition(b" -> ")[0] if letters[0] == "l" else text
            inode, nlink, uid, gid, size = (int(match[n]) for n in (1, 3, 4, 5, 6))
            found[path_text(path)] = FileStat(kind_of(mode), st.S_IMODE(mode), uid, gid, size, 0.0, inode, nlink)
    return found


def mode_of(letters: str) -> int:
    """Return the st_mode of `-rwxr-sr-t`."""
    mode = _TYPES.get(letters[0], 0)
    for position, letter in enumerate(letters[1:10]):
        if letter not in "-ST":
            mode |= 0o400 >> position
        if letter in "sStT":
            mode |= (st.S_ISUID, st.S_ISGID, st.S_ISVTX)[position // 3]
    return mode


def split_real_paths(data: bytes, order: Sequence[str]) -> dict[str, str]:
    """Return path -> resolved path; empty unless there is exactly one for each."""
    parts = data.split(b"\0")[:-1]
    return {p: path_text(real) for p,
            real in zip(order, parts, strict=True) if real} if len(parts) == len(order) else {}
