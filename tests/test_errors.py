"""fixer's exceptions: the exit codes and kinds that its documents promise."""

from __future__ import annotations

import pytest

from fixer import errors
from fixer.errors import FixerError

TREE = errors.__doc__ or ""


def classes(base: type[FixerError] = FixerError) -> list[type[FixerError]]:
    return [base, *(found for child in base.__subclasses__() if child.__module__ == errors.__name__ for found in classes(child))]


@pytest.mark.parametrize("error", classes()[1:], ids=lambda error: error.__name__)
def test_each_exit_code_is_the_one_that_the_tree_names(error: type[FixerError]) -> None:
    named = {line.replace("│", "").lstrip("├└─ ").split()[0]: int(line.replace("│", "").lstrip("├└─ ").split()[1])
             for line in TREE.splitlines() if "─ " in line}
    nearest = next(base for base in error.__mro__ if base.__name__ in named)
    assert error.exit_code == named[nearest.__name__]


@pytest.mark.parametrize(("error", "kind"), [
    (errors.ConnectionLost, "unreachable"), (errors.StartFailed, "step-failed"), (errors.NotListening, "step-failed"),
    (errors.NoNginx, "no-nginx"), (errors.Locked, "locked"),
])
def test_what_is_a_special_case_has_the_kind_of_the_general_one(error: type[FixerError], kind: str) -> None:
    assert error.kind == kind


def test_the_text_of_an_error_is_its_message_without_the_hint() -> None:
    error = errors.UsageError("no such cause", "see fixer causes")
    assert (str(error), error.message, error.hint) == ("no such cause", "no such cause", "see fixer causes")
    assert errors.Conflict("changed").hint == ""
