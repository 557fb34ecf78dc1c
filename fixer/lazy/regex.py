"""`regex`: a `re.compile` that compiles at first use, since most runs use few patterns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from re import compile as regex
else:

    class regex:  # noqa: N801  used like a function
        """Proxy of the compiled pattern: each of its methods is looked up once."""

        def __init__(self, pattern: str | bytes, flags: int = 0) -> None:
            self._written = (pattern, flags)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            compiled = self.__dict__.get("_compiled") or re.compile(*self._written)
            found = getattr(compiled, name)
            self.__dict__.update({"_compiled": compiled, name: found})
            return found


__all__ = ["regex"]
