"""Tests of fixer/render/page_text.py."""

from __future__ import annotations

import pytest

from fixer.app.cause_catalogue import all_causes, cause_page
from fixer.render.page_text import page_text
from fixer.render.terminal_text import Style, count_columns

PROSE = "A unit with a limit, a container with one, or the machine had no memory left when the program asked for more, and the"
PAGE = f"""crash-oom · backend crashed

By hand
  dmesg -T | grep -i oom                                  # which process, which group, and when was that?
  systemctl edit UNIT

What it is
  {PROSE}
  kernel ended it.
  A second paragraph.

Variants: {', '.join(f'oom-killed-{n}' for n in range(9))}
"""


def test_a_page_that_fits_stays_as_it_is() -> None:
    assert page_text(PAGE, Style(width=140)) == PAGE


def test_prose_is_filled_again_and_a_command_stays_whole() -> None:
    assert page_text(PAGE, Style(width=60)) == """crash-oom · backend crashed

By hand
  # which process, which group, and when was that?
  dmesg -T | grep -i oom
  systemctl edit UNIT

What it is
  A unit with a limit, a container with one, or the machine
  had no memory left when the program asked for more, and
  the kernel ended it.
  A second paragraph.

Variants: oom-killed-0, oom-killed-1, oom-killed-2,
oom-killed-3, oom-killed-4, oom-killed-5, oom-killed-6,
oom-killed-7, oom-killed-8
"""


@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_page_of_the_catalogue_loses_or_breaks_a_word(width: int) -> None:
    for cause in all_causes():
        page = cause_page(cause.id)
        fitted = page_text(page, Style(width=width))
        assert sorted(fitted.split()) == sorted(page.split())
        by_hand = page.partition("\nBy hand\n")[2].partition("\n\n")[0].splitlines()
        commands = {line.partition(" # ")[0].strip() for line in by_hand}
        for line in fitted.splitlines():
            whole = line.strip() in commands or line.strip().startswith("#") or " " not in line.strip()
            assert count_columns(line) <= width or whole, line
