"""`regex`: a `re.compile` that compiles at first use, since most runs use few patterns. No pattern may cost more than
its text is long: others write most of the texts."""

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


def up_to_first(head: str) -> str:
    """Return a pattern of a line up to its first `head`, for `search`.

    A pattern `HEAD.*TAIL` reads the rest of the line again at every HEAD if no TAIL follows. With this in place of
    HEAD, it reads the line once. The match begins where the line begins.
    """
    return f"(?m:^)(?>.*?{head})"


__all__ = ["regex", "up_to_first"]
