"""Tests of fixer/observe/supervisord/supervisord_config.py."""

from __future__ import annotations

from fixer.model.facts import Known
from tests.observe.supervisord.supervisord_programs_builders import DAEMON, PROGRAM, said, shop


def test_groups_and_several_processes() -> None:
    grouped = PROGRAM.replace("[program", "[group:web]\nprograms=shop, other\n[program")
    found = shop(DAEMON, program=grouped).program
    assert found is not None and (found.name, found.group) == ("web:shop", "web")
    several = PROGRAM + "numprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\n"
    found = shop(DAEMON, program=several, log=said((9, "spawned: 'shop_01' with pid 5"))).program
    assert found is not None and (found.name, found.state) == ("shop:*", "STARTING")
    odd = PROGRAM + "numprocs=2\nprocess_name=%(process_num)02d%(what)s\n"
    assert shop(DAEMON, program=odd).program is not None


def test_the_number_of_a_process_as_a_text() -> None:
    """`%(process_num)s`, as aiohttp's guide writes it."""
    text = "[program:aio]\nnumprocs=2\nnumprocs_start=1\nprocess_name=aio_%(process_num)s\n" \
           "command=/srv/gw/main.py --path=/tmp/gw_%(process_num)s.sock\n"
    made = shop(DAEMON, program=text)
    assert isinstance(made.bindings, Known) and [b.unix for b in made.bindings.value] == ["/tmp/gw_1.sock", "/tmp/gw_2.sock"]
    assert made.is_app_server
