"""Where a command listens, whoever gives it: its options, its configuration file, the script that it runs."""

from __future__ import annotations

import posixpath

from fixer.formats.server_bindings import bindings_in_python, bindings_of
from fixer.formats.server_names import runtime_of, script_of
from fixer.model.snapshot import Binding
from fixer.observe.commands.resolved_command import Told
from fixer.observe.commands.server_settings import bindings_in_settings
from fixer.observe.view.node_view import View


def told_bindings(told: Told, view: View) -> tuple[Binding, ...]:
    """Where a command listens: its options and variables, its configuration file, the script it runs."""
    settings = bindings_in_settings(told, view)
    if settings is not None:
        return settings
    script = script_of(told.argv)
    if runtime_of(told.argv) == "python" and script:
        path = posixpath.normpath(posixpath.join(told.directory, script))
        inside = bindings_in_python(path, view.data(path) or b"", told.env)
        if inside:
            return inside
    return bindings_of(told.command, told.env, told.said, told.directory)
