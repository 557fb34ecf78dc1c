"""Tests of fixer/nginx/include.py."""

from __future__ import annotations

from fixer.nginx import effective_config
from fixer.nginx.config import read_config
from tests.nginx.config_builders import read


def test_relative_includes_count_from_the_main_file_not_the_prefix():
    files = {"/opt/n/nginx.conf": b"http { include a.conf; }\npid logs/x.pid;\nerror_log logs/e.log warn;\nuser www;\n",
             "/opt/n/a.conf": b"server { location / { proxy_pass http://127.0.0.1:1; } error_log stderr; }"}
    config = read_config(files, "/opt/n/nginx.conf", prefix="/srv/nginx")
    assert config.routes[0].source.file == "/opt/n/a.conf"
    assert (config.pid_path, config.error_logs, config.error_log_level) == (
        "/srv/nginx/logs/x.pid", ("/srv/nginx/logs/e.log",), "warn")
    assert (config.user, config.worker_processes) == ("www", "1")


def test_a_path_with_dots_is_found_under_its_plain_name():
    config = read(b"include sub/../a.conf;", **{"a.conf": b"server { location / { proxy_pass http://127.0.0.1:1; } }"})
    assert len(config.routes) == 1
    assert not config.problems


def test_the_same_file_included_twice_gives_two_servers():
    inner = {"a.conf": b"location / { proxy_pass http://127.0.0.1:1; }"}
    config = read(b"server { listen 1; include a.conf; } server { listen 2; include a.conf; }", **inner)
    assert [route.listen_text for route in config.routes] == ["0.0.0.0:1", "0.0.0.0:2"]


def test_include_bomb_ends(monkeypatch):
    monkeypatch.setattr(effective_config, "MOST_INCLUDES", 500)
    files = {f"{n}.conf": b"include %d.conf; include %d.conf; include %d.conf;" % ((n + 1,) * 3) for n in range(18)}
    config = read(b"include 0.conf;", **files, **{"18.conf": b"server { listen 80; }"})
    assert config.routes == ()


def test_include_chain_that_is_too_deep_is_refused():
    files = {f"{n}.conf": b"include %d.conf;" % (n + 1) for n in range(40)}
    config = read(b"include 0.conf;", **files)
    assert [problem.kind for problem in config.problems] == ["include-loop"]
