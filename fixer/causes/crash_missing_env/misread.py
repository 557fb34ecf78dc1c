"""Lines of an EnvironmentFile= that give a variable to a shell and not to systemd, which takes `NAME=value` only; and
those that an open quote or a backslash at the end of a line before them makes a part of another value."""

from __future__ import annotations

from fixer.formats.env_file import Assignment, assignments
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.plan import WriteFile
from fixer.model.snapshot import FileContent, Service, Snapshot
from fixer.redaction.secrets import is_secret_name

_BOM = b"\xef\xbb\xbf"
_SHELLS = regex(rb"^[ \t]*(?P<word>(?:export|declare -x|typeset -x)[ \t]+)(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")
_FIRST = regex(rb"^(?P<word>\xef\xbb\xbf)[ \t]*(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")
# What a shell and systemd read alike: no variable, no command, no comment behind the value, no escape.
_ANY = regex(rb"^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)=")
_OPEN = regex(rb"[ \t]*(?P<quote>['\"])[^'\"\\$`]*")       # a value of one line that lacks its last quote, and no more
_PLAIN = regex(rb"[^\s$`\\'\"#]*|'[^'$`\\]*'|\"[^\"$`\\]*\"")

_SHORT = 3     # a number or a word of yes and no would be hidden all over the display


@dataclass(frozen=True, slots=True)
class Misread:
    """One such line. `word` is what stands before the name there; `file` is what it stands in."""

    name: str
    file: FileContent
    line: int
    word: bytes
    plain: bool
    within: Assignment | None = None     # the value that it is a part of

    @property
    def where(self) -> str:
        """file:line."""
        return f"{self.file.path}:{self.line}"

    @property
    def said(self) -> str:
        """What is wrong with it, without the value."""
        if self.within is not None:
            begins = f"the value of {self.within.name}, which begins at line {self.within.line}"
            how = f"a quote ({self.within.quote})" if self.within.quote else "a quote or a backslash"
            return f"{self.where} sets {self.name} within {begins}: {how} there takes in what follows"
        if self.word == _BOM:
            return f"{self.where} sets {self.name} behind a byte order mark, which systemd takes for a part of the name"
        return f"{self.where} sets {self.name} behind `{self.word.decode().strip()}`, and systemd takes no such line"


def misread(snapshot: Snapshot, service: Service, name: str) -> Misread | None:
    """The last such line that would give the service the variable, None where there is none or no unit."""
    if service.unit is None:
        return None
    for word in reversed(service.unit.environment_files):
        file = snapshot.file(service.node, word.split(" ")[0].removeprefix("-"))
        lines = () if file is None else file.data.split(b"\n")
        for number in range(len(lines), 0, -1):
            text = lines[number - 1].rstrip(b"\r")
            match = _SHELLS.match(text) or (_FIRST.match(text) if number == 1 else None)
            if file is not None and match is not None and match["name"] == name.encode():
                plain = _PLAIN.fullmatch(match["value"].strip()) is not None and bool(match["value"].strip())
                return Misread(name, file, number, match["word"], plain)
        lost = None if file is None else _taken_in(file, name)
        if lost is not None:
            return lost
    return None


def _taken_in(file: FileContent, name: str) -> Misread | None:
    """The line that names it lies within a value that began before it; plain where one quote more at the end of that
    first line is all that it lacks."""
    lines = file.data.split(b"\n")
    for one in assignments(file.data.decode("latin-1")):
        for number in range(one.last, one.line, -1):
            match = _ANY.match(lines[number - 1]) if number <= len(lines) else None
            if match is not None and match["name"] == name.encode():
                value = lines[one.line - 1].rstrip(b"\r").partition(b"=")[2]
                return Misread(name, file, number, b"", bool(one.quote) and _OPEN.fullmatch(value) is not None, one)
    return None


def unwrapped(found: tuple[Misread, ...]) -> tuple[WriteFile, ...]:
    """The steps that take away what stands before the names; nothing else of the files changes."""
    steps: dict[str, WriteFile] = {}
    for one in found:
        file = one.file
        step = steps.get(file.real_path) or WriteFile(
            file.node, file.real_path, file.data, file.data, "", in_place=file.single_file_mount)
        lines = (step.after or b"").split(b"\n")
        if one.within is not None:
            lines[one.within.line - 1] = _closed(lines[one.within.line - 1], one.within.quote.encode())
        lines[one.line - 1] = lines[one.line - 1].replace(one.word, b"", 1)
        written = lines[one.line - 1].partition(b"=")[2].strip()
        secret = (written, written.strip(b"'\"")) if is_secret_name(one.name) or len(written) > _SHORT else ()
        summary = f"{step.summary}, {one.name}" if step.summary else f"let systemd take {one.name}"
        steps[file.real_path] = replace(
            step, after=b"\n".join(lines), summary=summary, mask=tuple(dict.fromkeys((*step.mask, *secret))))
    return tuple(steps.values())


def _closed(line: bytes, quote: bytes) -> bytes:
    """The line with the quote that its value lacks, as it is where that was done for another variable."""
    text = line.rstrip(b"\r")
    return text + quote + line[len(text):] if _OPEN.fullmatch(text.partition(b"=")[2]) else line
