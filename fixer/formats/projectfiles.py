"""Which files a compose project is deployed from, where its containers do not all name the same."""

from __future__ import annotations

from collections.abc import Iterable

Told = tuple[str, str, str]
"""What the labels of a container say: its files by commas, the folder, the files of variables."""


def widest(told: Iterable[Told]) -> Told | None:
    """The one whose files include those of all others, in their order: a file that was added later changes the labels
    only of what it changes. None where there is none."""
    named = [one for one in dict.fromkeys(told) if one[0]]
    longest = max(named, key=lambda one: len(_paths(one)), default=None)
    if longest is None:
        return None
    paths = _paths(longest)
    nested = all(other[1:] == longest[1:] and [path for path in paths if path in _paths(other)] == _paths(other)
                 for other in named)
    return longest if nested else None


def _paths(told: Told) -> list[str]:
    return [path.strip() for path in told[0].split(",")]
