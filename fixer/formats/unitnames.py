"""The name of an instance and the text that it stands for, as systemd-escape(1) turns one into the other. Pure."""

from __future__ import annotations

from fixer.lazy.regex import regex

_BYTE = regex(r"\\x([0-9a-fA-F]{2})")


def escaped(text: str) -> str:
    """The instance whose `%I` is this text; what its `%i` is."""
    return "".join(
        c if (c.isascii() and (c.isalnum() or c in ":_")) or (c == "." and at) else "-" if c == "/"
        else "".join(f"\\x{byte:02x}" for byte in c.encode("utf-8", "surrogateescape"))
        for at, c in enumerate(text)
    )


def unescaped(instance: str) -> str:
    """What `%I` is of an instance."""
    return _BYTE.sub(lambda m: chr(int(m[1], 16)), instance.replace("-", "/")).encode("latin-1", "replace").decode(
        "utf-8", "surrogateescape")
