"""The table of application servers: what a server's row says, and what holds for a program that is none."""

from __future__ import annotations

import pytest

from fixer.formats.application_servers import APPLICATION_SERVERS, OTHER_DIALECT, server_of


@pytest.mark.parametrize(("runtime", "default", "protocols"), [
    ("uvicorn", ("127.0.0.1", 8000), {"http"}), ("flask", ("127.0.0.1", 5000), {"http"}), ("waitress-serve", ("0.0.0.0", 8080), {"http"}),
    ("puma", ("0.0.0.0", 9292), {"http"}), ("uwsgi", None, {"http", "uwsgi"}), ("php-fpm", None, {"fastcgi"}),
])
def test_where_a_server_listens_untold_and_what_it_speaks(runtime: str, default: tuple[str, int] | None, protocols: set[str]) -> None:
    server = server_of(runtime)
    assert (server.dialect.default, server.protocols) == (default, protocols)


def test_a_program_that_is_no_known_server_has_the_usual_options_and_no_protocol() -> None:
    server = server_of("backend")
    assert (server.dialect, server.protocols, server.modules) == (OTHER_DIALECT, frozenset(), ())
    assert server_of("") == server


@pytest.mark.parametrize("name", APPLICATION_SERVERS)
def test_no_option_of_a_server_has_two_meanings(name: str) -> None:
    dialect = APPLICATION_SERVERS[name].dialect
    options = [*dialect.host, *dialect.port, *dialect.bind, *dialect.unix, *dialect.workers]
    assert len(options) == len(set(options)) and all(option.startswith("-") for option in options)


def test_only_a_server_with_an_option_for_its_host_gets_one_added() -> None:
    wrong = [name for name, server in APPLICATION_SERVERS.items() if server.appends_host and "--host" not in server.dialect.host]
    assert wrong == []
