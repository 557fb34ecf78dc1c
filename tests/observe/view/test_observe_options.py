"""Tests of fixer/observe/view/observe_options.py."""

from __future__ import annotations

from fixer.observe.view.observe_options import ObserveOptions, options_from


def test_options_go_with_the_capture() -> None:
    options = ObserveOptions(probe=False, url="http://x/", wait=7.5, repeat=3, requests=70, quiet=4.5)
    assert options_from(options.pairs()) == options and options.timeout == 7.5
    assert options_from([("wait", "soon")]) == ObserveOptions()
