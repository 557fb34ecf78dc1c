"""Sockets: addresses of both families, queues, owners, connections, unix paths, torn tables."""

from __future__ import annotations

import pytest

from fixer.formats.addresses import compress_ipv6
from fixer.formats.socket_tables import (
    decode_address,
    parse_connections,
    parse_sockets,
    with_absolute_paths,
)
from fixer.hosts.machine.procfs import listening_inodes
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, FileAnswer
from fixer.model.snapshot import Connection, Listener
from tests.causes.snapshot_builders import listener, process
from tests.observe.capture_builders import file, link, sockets, tcp_row

ROW6 = "   0: {}:{:04X} 00000000000000000000000000000000:0000 {} 00000000:00000000 00:00000000 00000000 0 0 {} 1 0\n"
ANY6, LOOP6 = "0" * 32, "00000000000000000000000001000000"
MAPPED = "0000000000000000FFFF00000100007F"


def listeners(answer: Answer) -> tuple[Listener, ...]:
    found = parse_sockets(answer, "n")
    assert isinstance(found, Known)
    return found.value


def test_who_listens_where() -> None:
    found = listeners(sockets([tcp_row("127.0.0.1", 8000, 11, queued=3), tcp_row("127.0.0.1", 8000, 12, state="01"),
                               tcp_row("10.0.0.5", 8000, 13, state="01"), tcp_row("0.0.0.0", 80, 14)], {11: [7, 8]}))
    assert [(x.address, x.port, x.queued, x.established) for x in found] == [("127.0.0.1", 8000, 3, 1), ("0.0.0.0", 80, 0, 0)]
    assert found[0].pids == Known((7, 8)) and found[1].pids == Known(())


def test_an_owner_nobody_could_see() -> None:
    (found,) = listeners(sockets([tcp_row("127.0.0.1", 80, 11)], {}, message="not root"))
    assert found.pids == Unknown("not root")


def test_version_six() -> None:
    rows = ROW6.format(ANY6, 80, "0A", 21) + ROW6.format(LOOP6, 81, "0A", 22) + ROW6.format(MAPPED, 80, "01", 23)
    found = listeners(sockets([tcp_row("127.0.0.1", 80, 9, state="01")], {}, tcp6=rows))
    assert [(x.family, x.address, x.established) for x in found] == [("tcp6", "::", 2), ("tcp6", "::1", 0)]


def test_connections_to_a_wildcard() -> None:
    rows = [tcp_row("0.0.0.0", 80, 9), tcp_row("10.0.0.5", 80, 10, state="01"), tcp_row("10.0.0.5", 81, 10, state="01")]
    assert listeners(sockets(rows, {}))[0].established == 1


def test_unix_sockets() -> None:
    rows = ("00: 00000002 00000000 00010000 0001 01 31 /run/app.sock\n" "00: 00000002 00000000 00010000 0001 01 32 @abstract\n"
            "00: 00000003 00000000 00000000 0001 03 33 /run/client\n" "00: 00000003 00000000 00010000 0001 01 34\n" "torn\n"
            "00: 1 0 zz 0001 01 35 /x\n")
    found = listeners(sockets([], {31: [5]}, unix=rows))
    assert [(x.address, x.port, x.pids) for x in found] == [("/run/app.sock", 0, Known((5,))), ("@abstract", 0, Known(()))]


def test_who_waits_at_a_unix_socket() -> None:
    """A connection that waits to be accepted has no inode yet and bears the listener's name; one that is taken has both."""
    rows = ("00: 00000002 00000000 00010000 0001 01 31 /run/app.sock\n" + "00: 00000003 00000000 00000000 0001 02     0 /run/app.sock\n" * 3
            + "00: 00000003 00000000 00000000 0001 03 40 /run/app.sock\n" + "00: 00000003 00000000 00000000 0001 03 41\n"
            + "00: 00000003 00000000 00000000 0001 02     0 /run/other.sock\n")
    (found,) = listeners(sockets([], {31: [5]}, unix=rows))
    assert (found.queued, found.established) == (3, 4)


def test_a_path_with_line_breaks_gives_nobody_elses_process_a_socket() -> None:
    """The kernel prints a path as it is: this one holds a row of its own, with the number of the service's TCP socket."""
    rows = ("00: 00000002 00000000 00010000 0001 01 31 /tmp/a\n00: 00000002 00000000 00010000 0001 01 11 /run/app.sock\n"
            "00: 00000002 00000000 00010000 0001 01 32 /tmp/b\x85c\n")
    found = listeners(sockets([tcp_row("127.0.0.1", 8000, 11)], {11: [7], 31: [6]}, unix=rows))
    assert [(x.family, x.address) for x in found] == [("tcp", "127.0.0.1"), ("unix", "/tmp/a"), ("unix", "/tmp/b\x85c")]


def test_torn_lines_are_left_out() -> None:
    rows = ["x\n", "   0: ZZ:0050 0 0A 0:0 0 0 0 0 5\n", "   0: 0100:0050 0 0A 0:0 0 0 0 0 5\n", tcp_row("127.0.0.1", 80, 5)[:40]]
    assert listeners(sockets(rows, {})) == ()


def test_no_table_is_not_an_empty_table() -> None:
    assert parse_sockets(None, "n") == Unknown("not asked")
    assert parse_sockets(Answer("denied"), "n") == Unknown("denied")
    assert parse_sockets(Answer("ok", files=(FileAnswer("/proc/net/unix", "ok"),)), "n") == Unknown("no /proc/net/tcp")


@pytest.mark.parametrize(("text", "address"), [
    ("0100007F", "127.0.0.1"), (ANY6, "::"), (LOOP6, "::1"), (MAPPED, "::ffff:127.0.0.1"),
    ("B80D01200000000000000000010000" + "00", "2001:db8::1"),
])
def test_addresses(text: str, address: str) -> None:
    assert decode_address(text) == address


@pytest.mark.parametrize(("words", "text"), [
    ([1, 2, 3, 4, 5, 6, 7, 8], "1:2:3:4:5:6:7:8"), ([1, 0, 2, 0, 0, 0, 3, 4], "1:0:2::3:4"), ([0, 0, 1, 0, 0, 0, 0, 0], "0:0:1::"),
])
def test_short_forms(words: list[int], text: str) -> None:
    assert compress_ipv6(b"".join(w.to_bytes(2, "big") for w in words)) == text


def test_a_socket_that_was_bound_by_a_relative_name_lies_where_its_holder_is() -> None:
    held = listener(0, 300, "run/app.sock", family="unix")
    others = (listener(0, 300, "@abstract", family="unix"), listener(0, 300, "/run/x.sock", family="unix"), listener(80, 300))
    found = with_absolute_paths(Known((held, *others)), {300: process(300, cwd=Known("/srv/shop"))})
    assert isinstance(found, Known)
    assert [x.address for x in found.value] == ["/srv/shop/run/app.sock", *(x.address for x in others)]
    for holders in ({}, {300: process(300, cwd=Unknown("denied"))}):
        assert with_absolute_paths(Known((held,)), holders) == Known((held,))
    assert with_absolute_paths(Unknown("denied"), {}) == Unknown("denied")


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROWS = (
    "   0: 0100007F:A000 0100007F:1538 02 00000001:00000000 01:00000064 00000002   998        0 77 2 x\n"     # dials 5432
    "   1: 0100007F:A001 0100007F:1538 01 00000000:00000000 00:00000000 00000000   998        0 78 1 x\n"     # is connected
    "   2: 0100007F:A002 0100007F:1F40 01 00000000:00000000 00:00000000 00000000   998        0 79 1 x\n"     # to some port
    "   3: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 80 1 x\n"
    "   4: torn 01 line\n"
)


def test_connections_that_wait_and_those_to_a_system() -> None:
    files = (file("/proc/net/tcp", HEAD + ROWS), link("/proc/9/fd/3", "socket:[77]"))
    assert parse_connections(Answer("ok", files=files)) == (
        Connection("127.0.0.1", 5432, "dialing", 998, (9,), 2.0), Connection("127.0.0.1", 5432, "open", 998),
    )
    first = HEAD + ROWS.replace("01:00000064 00000002", "01:0000000A 00000000")
    assert parse_connections(Answer("ok", files=(file("/proc/net/tcp", first),)))[0].seconds_waited == 0.9
    assert parse_connections(None) == () == parse_connections(Answer("denied"))
    many = file("/proc/net/tcp", HEAD + "".join(ROWS.splitlines(keepends=True)[0].replace("1538", f"{n:04X}")
                                                for n in range(5000, 5100)))
    assert len(parse_connections(Answer("ok", files=(many,)))) == 64
    assert listening_inodes({"/proc/net/tcp": (HEAD + ROWS).encode()}) == {b"77", b"80"}


OURS, OTHER = "0100007F:A002", "0100007F:176F"      # 5999, a port that nothing tells of


def ends(ours: str, other: str = "") -> tuple[Connection, ...]:
    """Both ends of one connection as (tx:rx, retransmits, inode), and who holds ours."""
    rows = ""
    for place, said in ((f"{OURS} {OTHER}", ours), (f"{OTHER} {OURS}", other)):
        queues, repeats, inode = said.split() if said else ("", "", "")
        rows += f"   0: {place} 01 {queues} 01:00000064 {repeats}   998        0 {inode} 1 x\n" if said else ""
    held = listening_inodes({"/proc/net/tcp": (HEAD + rows).encode()})      # whose holders are looked for
    files = (file("/proc/net/tcp", HEAD + rows), *(link("/proc/9/fd/3", "socket:[77]") for inode in held if inode == b"77"))
    return parse_connections(Answer("ok", files=files))


NONE, EIGHT, SENT = "00000000:00000000", "00000000:00000008", "00000008:00000000"


@pytest.mark.parametrize(("ours", "other", "waits"), [
    (f"{NONE} 00000000 77", f"{EIGHT} 00000000 78", True),        # its program does not read
    (f"{NONE} 00000000 77", f"{EIGHT} 00000000 0", True),         # nor has it accepted
    (f"{NONE} 00000000 77", f"{NONE} 00000000 0", True),
    (f"{SENT} 00000003 77", "", True),                            # another machine does not say that it came
    (f"{SENT} 00000001 77", "", False), (f"{NONE} 00000000 77", "", False),
    (f"{NONE} 00000000 77", f"{NONE} 00000000 78", False),        # all is read: who waits for whom is not seen
    (f"{EIGHT} 00000000 77", f"{NONE} 00000000 78", False),       # it is ours that does not read
    (f"{NONE} 00000000 76", f"{EIGHT} 00000000 78", False),       # nobody knows who holds it
    (f"{NONE} zz 77", f"{EIGHT} 00000000 78", False),
])
def test_what_the_other_side_lets_lie_is_seen_on_any_port(ours: str, other: str, waits: bool) -> None:
    assert ends(ours, other) == ((Connection("127.0.0.1", 5999, "unread", 998, (9,)),) if waits else ())
