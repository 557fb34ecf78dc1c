"""Names that people, editors and packages give to copies of a file. Pure."""

from __future__ import annotations

import posixpath
import re

from fixer.lazy.regex import regex

# Suffixes to try in an unlisted folder: a few names for each code file.
LIKELY_SUFFIXES = (".bak", ".orig", ".old", "~", ".save", ".prev", ".backup", ".1")

_WORD = (r"(?:bak|bck|bkp|backup|old|orig|original|save|saved|prev|previous|"
         r"dpkg-(?:old|bak)|ucf-old|rpmsave|rpmorig|pacsave)")
_DATE = r"(?:(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?:[-_.T@]?[0-2]\d[-_.:]?[0-5]\d(?:[-_.:]?[0-5]\d)?)?|1\d{9})"
_BACKUP_SUFFIX = (rf"~|\.~\d+~|[._-]{_WORD}(?:[._-]?(?:{_DATE}|\d{{1,3}}))?|[._-]{_DATE}(?:[._-]{_WORD}|~)?")
_OLDER_SUFFIX = regex(rf"(?:{_BACKUP_SUFFIX}|\.\d)\Z", re.I)
_OLDER_PROGRAM_SUFFIX = regex(rf"(?:{_BACKUP_SUFFIX})\Z", re.I)  # `python3.9` is a version
_PACKAGE_SUFFIX = regex(r"\.(?:dpkg-dist|ucf-dist|rpmnew|pacnew|apk-new|default)\Z")
_ANY_SUFFIX = regex(r"(?:~|[._-][\w.~:@+-]+)\Z")
_UNUSED_ENDINGS = frozenset((
    "disabled", "off", "inactive", "dpkg-new", "dpkg-tmp", "ucf-new", "swp", "swo", "example", "sample", "template",
    "j2", "dist",
))


def is_older_name(name: str, of: str) -> bool:
    """Return whether `name` is what people, editors and packages call an older version of `of`."""
    return name.startswith(of) and _OLDER_SUFFIX.match(name, len(of)) is not None


def is_packaged_name(name: str, of: str) -> bool:
    """Return whether `name` is what a package calls its own version of `of`, once that was changed on the machine."""
    return name.startswith(of) and _PACKAGE_SUFFIX.match(name, len(of)) is not None


def is_backup_name(name: str, of: str) -> bool:
    """Return whether `name` is a copy of either kind, from which `of` could be restored."""
    return is_older_name(name, of) or is_packaged_name(name, of)


def has_similar_name(name: str, of: str) -> bool:
    """Return whether `name` starts with the other's name, with any suffix: a last resort if nothing else exists."""
    return name.startswith(of) and _ANY_SUFFIX.match(name, len(of)) is not None


def original_name(name: str) -> str:
    """Return the original's name for the name of a copy; empty if it is none."""
    starts = (at for at in range(1, len(name)) if name[at] in "~._-")
    return next((name[:at] for at in starts if _OLDER_SUFFIX.match(name, at) or _PACKAGE_SUFFIX.match(name, at)), "")


def original_path(path: str) -> str:
    """Return the original's path for the path of a copy; else the path itself."""
    folder, name = posixpath.split(path)
    return posixpath.join(folder, original_name(name)) if original_name(name) else path


def is_unused_name(name: str, *, program: bool = False) -> bool:
    """Return whether the name is that of a copy, a template or a disabled file.
    A number after a program's name is its version."""
    last = name.lower().rpartition(".")
    if last[1] and last[2] in _UNUSED_ENDINGS:
        return True
    if not program:
        return bool(original_name(name))
    starts = (at for at in range(1, len(name)) if name[at] in "~._-")
    return any(_OLDER_PROGRAM_SUFFIX.match(name, at) or _PACKAGE_SUFFIX.match(name, at) for at in starts)


def backup_patterns(path: str) -> tuple[str, ...]:
    """Return globs for files next to `path` with a longer name; empty if no glob can express the path."""
    if "\\" in path:
        return ()
    plain = "".join(f"[{c}]" if c in "*?[" else c for c in path)
    return (f"{plain}~", f"{plain}.*", f"{plain}-*", f"{plain}_*")
