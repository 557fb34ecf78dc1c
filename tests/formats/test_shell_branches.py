"""Which commands of a script are reached, by what is known of its arguments and variables."""

from __future__ import annotations

import pytest

from fixer.formats.shell_words import literal_word
from fixer.formats.wrapper_scripts import read_script

IFS = """
if [ "$1" == "all" ]; then
    exec supervisord -n
fi
if [ "$1" = "web" ]; then
    exec gunicorn web:app
fi
if [ "$1" == "task" ]; then
    exec celery -A task worker
fi
exec uvicorn rest:app
"""
CASES = """
case "$1" in
  web|"api")
    exec gunicorn web:app
    ;;
  (task) exec celery -A task worker ;;
  s*)
    exec hypercorn s:app;;
  *)
    exec uvicorn rest:app
esac
"""
ELSE = """
if [[ "${MODE}" == "worker" ]]; then
  exec celery -A task worker
elif [[ "${MODE}" == "web" ]]; then
  if [[ -n "$DEBUG" ]]; then exec flask run; else
    exec gunicorn web:app
  fi
else
  exec uvicorn rest:app
fi
"""
CHAINS = """
[ "$1" = web ] && exec gunicorn web:app
test "$1" = task || exec uvicorn rest:app
exec celery -A task worker
"""


def started(text: str, *given: str, **env: str) -> str:
    run = read_script(text, "/start.sh", {name: literal_word(value) for name, value in env.items()}, {},
                      given=[literal_word(word) for word in given])
    words = [word.text for word in run.command or (run.other[-1] if run.other else [])]
    return " ".join(words).removeprefix("exec ").partition(" ")[0]


@pytest.mark.parametrize(("text", "word", "server"), [
    (IFS, "all", "supervisord"), (IFS, "web", "gunicorn"), (IFS, "task", "celery"), (IFS, "x", "uvicorn"),
    (CASES, "web", "gunicorn"), (CASES, "api", "gunicorn"), (CASES, "task", "celery"), (CASES, "sx", "hypercorn"),
    (CASES, "x", "uvicorn"), (CHAINS, "web", "gunicorn"), (CHAINS, "task", "celery"), (CHAINS, "x", "uvicorn"),
    (f"set -e\nrun() {{\n  exec flask run\n}}\n{IFS}", "web", "gunicorn"),
    ('if ! [ "$1" = web ]; then exec celery -A a worker; fi\nexec uvicorn a', "web", "uvicorn"),
    ('while ! nc db 5432; do sleep 1; done\nif [ "$1" != web ]; then exec celery -A a worker; fi\nexec uvicorn a', "web", "uvicorn"),
    ('if [ -z "$1" ]; then exec flask run; fi; exec uvicorn a', "web", "uvicorn"),
])
def test_its_argument_decides(text: str, word: str, server: str) -> None:
    assert started(text, word) == server


@pytest.mark.parametrize(("env", "server"), [
    ({"MODE": "worker"}, "celery"), ({"MODE": "web", "DEBUG": ""}, "gunicorn"), ({"MODE": "web", "DEBUG": "1"}, "flask"),
    ({"MODE": "x"}, "uvicorn"),
])
def test_its_variable_decides(env: dict[str, str], server: str) -> None:
    assert started(ELSE, **env) == server


@pytest.mark.parametrize("text", [
    'if [ -f /x ]; then exec gunicorn a; fi\nexec uvicorn b',                       # a file that may be there
    'if [ "$1" = web ] && [ -f /x ]; then exec gunicorn a; fi\nexec uvicorn b',
    'shift_if() { shift; }\n[ -f /x ] && shift\nif [ "$1" = web ]; then exec gunicorn a; fi\nexec uvicorn b',
    'MODE=$(cat /mode)\nif [ "$MODE" = web ]; then exec gunicorn a; fi\nexec uvicorn b',
    'if [ "$UNKNOWN" = web ]; then exec gunicorn a; fi\nexec uvicorn b',
    'start() { exec gunicorn a; }\nexec uvicorn b', 'exec 2>&1\nexec uvicorn b',
    'case "$UNKNOWN" in\n web) exec gunicorn a ;;\nesac\nexec uvicorn b',
    '[ "$UNKNOWN" = web ] && exec gunicorn a\nexec uvicorn b',
])
def test_what_is_not_known_decides_nothing(text: str) -> None:
    """As before: the last server counts."""
    assert started(text, "web", MODE="web") == "uvicorn"
