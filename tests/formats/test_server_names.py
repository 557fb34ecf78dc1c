"""Which server a command line runs, whatever launches it."""

from __future__ import annotations

import shlex

import pytest

from fixer.formats.server_names import is_app_server, managed_runtime, runtime_of, script_of, server_at


@pytest.mark.parametrize(("command", "runtime"), [
    ("uvicorn a:b", "uvicorn"), ("/srv/venv/bin/uvicorn a:b", "uvicorn"), ("python3 -m uvicorn a:b", "uvicorn"),
    ("/usr/bin/python3.13 -u /usr/bin/uvicorn a:b", "uvicorn"), ("python -W ignore -m gunicorn x", "gunicorn"),
    ("exec env A=1 B=2 sudo -u app gunicorn x", "gunicorn"), ("env -i -- uvicorn a", "uvicorn"),
    ("poetry run uvicorn a:b", "uvicorn"), ("uv run hypercorn a:b", "hypercorn"), ("tini -- uvicorn a", "uvicorn"),
    ("gosu app daphne x", "daphne"), ("A=1 uvicorn a", "uvicorn"), ("@/usr/bin/uvicorn uvicorn a", "uvicorn"),
    ("python3 /usr/bin/opentelemetry-instrument uvicorn a:b", "uvicorn"), ("gunicorn3 x", "gunicorn"),
    ("php-fpm8.2 -F", "php-fpm"), ("python3 manage.py runserver", "django"), ("./manage.py runserver", "django"),
    ("python3 -m http.server 80", "http.server"), ("python3 -c pass", "python"), ("python3", "python"),
    ("python3 -u server.py", "python"), ("node server.js", "node"), ("npm run start", "node"), ("java -jar a.jar", "java"),
    ("ruby /usr/bin/puma -p 1", "puma"), ("node --inspect", "node"), ("/opt/app/server", "binary"),
    ("/usr/local/bin/node_exporter", ""), ("/usr/sbin/nginx", ""), ("sh run.sh", ""), ("", ""), ("exec", ""),
    ("setpriv --reuid app --regid=app --clear-groups uvicorn a", "uvicorn"), ("chronic nice -n 5 uvicorn a", "uvicorn"),
    ("taskset -c 0-1 uvicorn a", "uvicorn"), ("chrt -o 0 uvicorn a", "uvicorn"), ("flock -w 5 /l uvicorn a", "uvicorn"),
    ("runuser -u app -- uvicorn a", "uvicorn"), ("sudo --user app -n gunicorn x", "gunicorn"),
    ("systemd-socket-activate -l 80 -E A=1 uvicorn a", "uvicorn"), ("uv run --frozen --extra x uvicorn a", "uvicorn"),
    ("conda run -n env uvicorn a", "uvicorn"), ("doppler run -p x -- uvicorn a", "uvicorn"),
    ("timeout --signal INT 1d uvicorn a", "uvicorn"), ("su -s /bin/sh app -c x", ""), ("runuser - app -c x", ""),
    ("flock -n /l -c x", ""), ("su app", ""), ("/usr/bin/something", ""), ("timeout -k 5 60 uvicorn a", "uvicorn"), ("python3 -m", "python"),
])
def test_runtimes(command: str, runtime: str) -> None:
    assert runtime_of(command.split()) == runtime


def test_where_its_own_arguments_begin() -> None:
    assert server_at(["python3", "-u", "-m", "uvicorn", "a:b"]) == ("uvicorn", 4)
    assert server_at(["exec", "uvicorn", "a:b"]) == ("uvicorn", 2)


@pytest.mark.parametrize(("command", "runtime"), [
    ("/usr/bin/gunicron --bind 127.0.0.1:8000 app:app", "binary"), ("/usr/bin/gitea web --port=3000", "binary"),
    ("gunicorn app:app", "gunicorn"), ("/usr/bin/tunnel --verbose", ""), ("/usr/sbin/mysqld --port 3306", ""), ("", ""),
    ("/usr/sbin/nginx --port 80", ""), ("/bin/sh -c 'x --port 80'", ""),
])
def test_what_a_manager_keeps_running_is_no_client(command: str, runtime: str) -> None:
    argv = shlex.split(command)
    assert managed_runtime(argv) == runtime
    assert is_app_server(argv, managed_runtime(argv), "/etc/systemd/system/a.service", "simple") is bool(runtime)


@pytest.mark.parametrize(("command", "script"), [
    ("sh -x /srv/run.sh a", "/srv/run.sh"), ("/srv/run", "/srv/run"), ("python3 -m x", None), ("sh -c x", None),
    ("exec python3 -u s.py", "s.py"), ("", None), ("bash", None), ("-/srv/run", "/srv/run"),
])
def test_the_script_behind_a_command(command: str, script: str | None) -> None:
    assert script_of(command.split()) == script


@pytest.mark.parametrize(("command", "fragment", "kind", "expected"), [
    ("uvicorn a", "/usr/lib/systemd/system/a.service", "simple", True),
    ("uvicorn a", "/etc/systemd/system/a.service", "oneshot", False),
    ("python3 /srv/a.py", "/etc/systemd/system/a.service", "simple", True),
    ("python3 /srv/a.py", "/usr/lib/systemd/system/a.service", "simple", False),
    ("python3 /usr/share/unattended-upgrades/x", "/etc/systemd/system/a.service", "simple", False),
    ("python3 -m http.server", "/etc/systemd/system/a.service", "simple", False),
    ("/usr/sbin/sshd -D", "/etc/systemd/system/a.service", "simple", False),
    ("python3 -m mine", "/etc/systemd/system/a.service", "simple", True),
])
def test_applications_and_daemons(command: str, fragment: str, kind: str, expected: bool) -> None:
    argv = command.split()
    assert is_app_server(argv, runtime_of(argv), fragment, kind) is expected
