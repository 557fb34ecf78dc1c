"""What the tests of fixer/observe/boot/boot_entries.py and others are built of."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.query import Answer, FileAnswer, Query
from fixer.observe.boot.boot_entries import BOOT_ENTRY_FILES
from fixer.observe.view.node_view import View
from tests.observe.capture_builders import view


def seen(*files: FileAnswer, more: dict[Query, Answer] | None = None) -> View:
    made = view()
    return replace(made, node=replace(made.node, answers={
        **made.node.answers, BOOT_ENTRY_FILES: Answer("ok", files=files), **(more or {})}))
