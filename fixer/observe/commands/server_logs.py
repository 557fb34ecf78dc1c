"""Files that a server writes its own log to, by its options or its settings: then its output holds nothing of it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from fixer.formats.application_servers import server_of
from fixer.formats.server_bindings import last_option_value
from fixer.formats.server_names import runtime_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.commands.server_settings import (
    debian_log_file,
    gunicorn_arguments,
    settings_path,
    vassal_files,
)
from fixer.observe.view.node_view import View

with lazy_imports():  # not needed in most looks
    from fixer.formats.ini_file import ini_sections

_ERROR_LOG = regex(rb"^[^\S\n]*errorlog[^\S\n]*=[^\S\n]*[\"']([^\"'\n]+)[\"']", re.MULTILINE)


def server_log_files(told: ServiceCommand, view: View | None) -> tuple[str, ...]:
    """Return the paths of those files, as absolute ones; its settings are read with a `view` only."""
    named = (path.removeprefix("file:") for path in _written_paths(told, view))      # uWSGI has loggers of other kinds
    found = (path for path in named if path not in ("", "-") and ":" not in path)
    return tuple(dict.fromkeys(posixpath.normpath(posixpath.join(told.directory or "/", path)) for path in found))


def _written_paths(told: ServiceCommand, view: View | None) -> Iterator[str]:
    """Yield the values as written: of a program with several files of settings, those of each."""
    runtime = runtime_of(told.argv)
    options = server_of(runtime).log_options
    words = gunicorn_arguments(told) if runtime == "gunicorn" else told.command
    named = last_option_value(words, options) if options else None
    path = settings_path(told)
    if named is not None:
        yield named.text
    if view is None:
        return
    data = view.data(path) if path is not None and named is None else None
    if runtime == "gunicorn":
        for match in list(_ERROR_LOG.finditer(data or b""))[-1:]:
            yield match[1].decode("utf-8", "surrogateescape")
    elif runtime == "uwsgi":
        keys = {option.lstrip("-") for option in options}
        own = [(path, data)] if path is not None and data is not None else []
        for file, text in (*own, *vassal_files(told, path, view)):
            values = [v for s in ini_sections(file, text) if s.name == "uwsgi" for v in s.values if v.key in keys]
            name = posixpath.basename(file).removesuffix(".ini")
            yield values[-1].value.strip().replace("%n", name) if values else debian_log_file(
                told, file)
