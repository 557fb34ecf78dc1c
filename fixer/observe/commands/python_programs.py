"""Python programs that are no known server: which file holds them, and whether it serves HTTP at all."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from fixer.formats.launchers import peel
from fixer.formats.server_names import runtime_of, script_of
from fixer.lazy.regex import regex
from fixer.observe.view.node_view import View

# What a program imports when it serves a web application; a bare socket server is somebody else's.
_SERVES = regex(
    rb"\b(?:uvicorn|hypercorn|gunicorn|waitress|granian|daphne|flask|fastapi|starlette|aiohttp|tornado|sanic|bottle|"
    rb"cherrypy|django|falcon|pyramid|quart|litestar|blacksheep|robyn|cheroot|gevent\.pywsgi|eventlet\.wsgi|"
    rb"wsgiref|http\.server|BaseHTTPServer|twisted\.web|werkzeug|connexion|nicegui|streamlit|gradio|dash)\b",
    re.IGNORECASE,
)


def program_paths(argv: Sequence[str], directory: str) -> tuple[str, ...]:
    """Where the source of a python command may be: its script, or the module that `-m` names in its folder."""
    if runtime_of(argv) != "python":
        return ()
    script = script_of(argv)
    if script is not None:
        return (posixpath.normpath(posixpath.join(directory or "/", script)),)
    rest = list(argv[peel(argv) :])
    if "-m" not in rest[:-1]:
        return ()
    path = rest[rest.index("-m") + 1].replace(".", "/")
    return tuple(posixpath.normpath(posixpath.join(directory or "/", path + end)) for end in (".py", "/__main__.py"))


def is_no_web_program(argv: Sequence[str], directory: str, view: View | None) -> bool:
    """True where the source was read and serves no web application; what was not read is given the benefit."""
    read = [view.data(path) for path in program_paths(argv, directory)] if view is not None else []
    known = [data for data in read if data is not None]
    return bool(known) and not any(_SERVES.search(data) for data in known)
