"""Frames of an sh round, from bytes as shells printed them: nothing inside content or names can pass for structure."""

from __future__ import annotations

import json
import subprocess

import pytest

from fixer.hosts.sh import round_answers, round_script
from fixer.hosts.sh.round_script import RoundScript
from fixer.model.query import TOO_LONG, Command, ListProcesses, ListSockets, Probe, ReadFile, ReadGlob, ReadTree

NONCE = b"5eadbeef5eadbeef5eadbeef5eadbeef"
P = b"//././/."
STAT = P + b"/etc/a|81a4 0 0 6 1700000000 1 77 2023-11-14 22:13:20.250000000 +0000\n"


def framed(*items: bytes) -> bytes:
    return b"".join(b"\n" + NONCE + b" " + item for item in items)


def output(queries, groups, *items: bytes) -> round_answers.RoundOutput:
    asked = RoundScript(NONCE, P, tuple(queries), tuple(groups), b"")
    return round_answers.RoundOutput(asked, framed(b"clock 0 41\n1700000100.500000000 -0330\n", *items, b"end\n"))


def one_file(query: ReadFile, *items: bytes):
    found = output([query], [(query,)], *items)
    found.clock(0)
    return found.answers()[query]


def test_clock_zone_and_privilege() -> None:
    clock = output([], []).clock(0)
    assert (clock.now, clock.utc_offset, clock.root) == (1700000100.5, -12600.0, True)


def test_a_busybox_date_without_fractions_counts() -> None:
    asked = RoundScript(NONCE, P, (), (), b"")
    raw = framed(b"clock 1000 7\n1700000100.%N +0200\n", b"end\n")
    clock = round_answers.RoundOutput(asked, raw).clock(0)
    assert (clock.now, clock.utc_offset, clock.root) == (1700000100.0, 7200.0, False)


def test_a_file_with_its_stat() -> None:
    answer = one_file(
        ReadFile("/etc/a"), b"g0 order\n" + P + b"/etc/a\n", b"g0 stat\n" + STAT, b"g0 real\n/etc/a\0",
        b"g0 data\n==> /dev/null <==\n\n==> " + P + b"/etc/a <==\nhello\n",
    )
    [file] = answer.files
    assert (answer.status, file.data, file.truncated) == ("ok", b"hello\n", False)
    assert file.stat is not None
    assert (file.stat.kind, file.stat.mode, file.stat.mtime, file.stat.inode) == ("file", 0o644, 1700000000.25, 77)
    assert file.stat.real_path == "/etc/a"


def test_content_that_forges_frames_and_headers_stays_content() -> None:
    evil = b"\n==> /etc/b <==\nowned\n\n" + NONCE[:-1] + b"x 0 list\n\n==> //./. <==\n"
    answer = one_file(
        ReadFile("/etc/a"), b"g0 order\n" + P + b"/etc/a\n", b"g0 stat\n" + STAT,
        b"g0 data\n==> /dev/null <==\n\n==> " + P + b"/etc/a <==\n" + evil,
    )
    assert answer.files[0].data == evil


def test_a_name_with_line_breaks_cannot_take_another_files_place() -> None:
    name = P + b"/etc/a <==\nfake"
    data = b"\n==> /dev/null <==\n\n==> " + P + b"/etc/a <==\ntrue\n\n==> " + name + b" <==\nlie\n"
    answer = one_file(ReadFile("/etc/a"), b"g0 stat\n" + STAT, b"g0 data" + data)
    assert answer.files[0].data == b"true\n"


def test_absent_denied_and_tail() -> None:
    assert one_file(ReadFile("/etc/no")).status == "absent"
    assert one_file(ReadFile("/root/x"), b"g0 hidden\n" + P + b"/root/x\n").status == "denied"
    answer = one_file(ReadFile("/etc/a", 3, True), b"g0 stat\n" + STAT,
                      b"g0 data\n==> /dev/null <==\n\n==> " + P + b"/etc/a <==\nlo\n")
    assert (answer.files[0].data, answer.files[0].truncated) == (b"lo\n", True)


def test_processes_drop_kernel_threads_and_our_own_script() -> None:
    def files(kind: bytes, *entries: tuple[bytes, bytes]) -> bytes:
        body = b"".join(b"\n==> " + P + b"/proc/" + pid + b"/" + kind + b" <==\n" + data for pid, data in entries)
        return b"0 " + kind + b"\n==> /dev/null <==\n" + body

    stats = [(b"1", b"1 (init) S 0 1 1 0 -1 4194560 1"), (b"2", b"2 (kt) S 0 0 0 0 -1 2129984 1"),
             (b"41", b"41 (sh) S 0 1 1 0 -1 4194560 1"), (b"42", b"42 (a) (b) S 41 1 1 0 -1 4194560 1")]
    query = ListProcesses()
    links = b"0 links\nlrwxrwxrwx 1 0 0 0 Nov 24 15:02 " + P + b"/proc/1/exe -> /sbin/init\n"
    found = output([query], [], files(b"stat", *stats), files(b"cmdline", (b"1", b"/sbin/init\0")), links)
    found.clock(0)
    answer = found.answers()[query]
    by_path = {f.path: f for f in answer.files}
    assert set(by_path) == {"/proc/1/stat", "/proc/1/cmdline", "/proc/1/exe", "/proc/1/cwd"}
    assert by_path["/proc/1/exe"].stat.link_target == "/sbin/init"
    assert by_path["/proc/1/cmdline"].data == b"/sbin/init\0"


TCP = (b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
       b"   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 555 1 0 100 0\n"
       b"   1: 0100007F:1F41 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 556 1 0 100 0\n")


def test_sockets_keep_listening_descriptors_and_say_who_could_not_be_read() -> None:
    query = ListSockets()
    listing = (b"lrwx------ 1 0 0 64 Nov 24 15:02 " + P + b"/proc/9/fd/3 -> socket:[555]\n"
               b"lrwx------ 1 0 0 64 Nov 24 15:02 " + P + b"/proc/9/fd/4 -> socket:[556]\n"
               b"lrwx------ 1 0 0 64 Nov 24 15:02 " + P + b"/proc/9/fd/5 -> /x\nlrwx------ 1 0 0 64 Nov 24 15:02 6 -> socket:[555]\n"
               b"lrwx------ 1 0 0 64 Nov 24 15:02 " + P + b"/proc/12/fd/5\n")
    tables = b"0 tables\n==> /dev/null <==\n\n==> " + P + b"/proc/net/tcp <==\n" + TCP
    found = output([query], [], tables, b"0 links\n" + listing, b"0 borrowed\n", b"0 closed\n")
    found.clock(0)
    answer = found.answers()[query]
    assert [(f.path, f.stat.link_target) for f in answer.files if f.stat] == [("/proc/9/fd/3", "socket:[555]")]
    assert "12" in answer.message
    borrowed = b"0 borrowed\nlrwx------ 1 0 0 64 Nov 24 15:02 " + P + b"/proc/12/fd/5 -> socket:[555]\n"
    again = output([query], [], tables, b"0 links\n" + listing, borrowed)
    again.clock(0)
    answer = again.answers()[query]
    assert answer.message == ""
    assert "/proc/12/fd/5" in [f.path for f in answer.files]


def test_commands_with_codes_and_missing_tools() -> None:
    test = Command("nginx-test", ("/usr/sbin/nginx", "", ""))
    late, none = Command("journal", ("a.service", "5")), Command("systemctl-show", ("a.service",))
    found = output([test, late, none, Command("journal", ("-x", "1"))], [],
                   b"0 out 0\n", b"0 end 0 1\nnginx: [emerg] no", b"1 out 0\npart", b"1 end 0 124\n", b"2 no-systemd\n")
    answers_ = found.answers()
    assert (answers_[test].status, answers_[test].returncode, answers_[test].stderr) == ("failed", 1, b"nginx: [emerg] no")
    assert answers_[late].status == "timeout"
    assert answers_[none].status == "no-tool"
    assert "refused" in answers_[Command("journal", ("-x", "1"))].message


def test_resolve_says_each_address_once() -> None:
    query = Command("resolve", ("web", "nope"))
    text = b"0 out 0\n10.0.0.2 STREAM web\n10.0.0.2 DGRAM\n10.0.0.3 STREAM\n"
    found = output([query], [], text, b"0 end 0 0\n", b"0 out 1\n", b"0 end 1 2\n")
    assert found.answers()[query].data == b"web 10.0.0.2\nweb 10.0.0.3\n"


def plain(code: str, data: bytes, probe: Probe):
    item = b"probe done 0 " + code.encode() + b" 1700000000000000000 1700000000005000000\n" + data
    return json.loads(output([probe], [], b"probe how bash\n", item).answers()[probe].data)


def test_plain_probes() -> None:
    get, connect = Probe("127.0.0.1", 80, "/"), Probe("127.0.0.1", 80, None)
    assert plain("9", b"bash: connect: Connection refused", get)["errno"] == 111
    assert plain("0", b"", connect)["error"] is None
    assert plain("124", b"", get)["error"] == "timeout"
    assert plain("0", b"", get)["error"] == "closed"
    assert plain("0", b"SSH-2.0", get)["error"] == "not-http"
    found = plain("0", b"HTTP/1.1 502 Bad Gateway\r\nServer: x\r\n\r\nbody", get)
    assert (found["status"], found["body"], found["ms"], found["phase"]) == (502, "body", 5.0, "done")
    uwsgi = Probe("127.0.0.1", 80, "/", uwsgi=True)
    assert [plain(code, said, uwsgi)["error"] for code, said in (("0", b""), ("9", b"bash: connect: Connection refused"))] == [
        None, "refused"]
    tls = Probe("127.0.0.1", 443, "/", tls=True)
    assert output([tls], [], b"probe how bash\n").answers()[tls].status == "no-tool"
    assert output([get], [], b"probe how\n").answers()[get].status == "no-tool"


def test_an_output_that_ends_early_leaves_queries_without_answers_not_with_wrong_ones() -> None:
    asked = RoundScript(NONCE, P, (ReadTree("/etc"),), ((ReadTree("/etc"),),), b"")
    found = round_answers.RoundOutput(asked, framed(b"clock 0 41\n1700000100 +0000\n"))
    assert not found.ended
    assert found.answers()[ReadTree("/etc")].status == "failed"
    assert not round_answers.RoundOutput(asked, b"OCI runtime exec failed").has_started


def test_paths_that_cannot_be_asked_for() -> None:
    assert not round_script.is_askable(ReadFile("etc/x"))
    assert not round_script.is_askable(ReadGlob(("/a\0b",)))
    query = ReadFile("relative")
    assert output([query], []).answers()[query].status == "failed"


def test_what_a_round_did_not_reach_before_it_broke_off_is_no_absence_and_what_it_reached_counts() -> None:
    """Wherever the output is cut, each answer is the whole one, or says that there is none."""
    ip = Command("ip-addresses")
    late = (ReadFile("/etc/no"), ReadTree("/etc/ssl", max_files=9), ReadGlob(("/etc/*.conf",)), ListProcesses(), ListSockets(), ip,
            Command("resolve", ("localhost", "127.0.0.1")), Command("nft-rules"), Probe("127.0.0.1", 9, "/"))
    asked = round_script.build_round_script(late)
    raw = subprocess.run(["/bin/sh", "-s"], input=asked.script, capture_output=True, check=False).stdout
    whole = round_answers.RoundOutput(asked, raw)
    whole.clock(0)
    expected = whole.answers()
    assert whole.ended and expected[late[0]].status == "absent"
    cuts = [m for step in range(1, 60) if (m := len(raw) * step // 60) > raw.index(b"clock") + 60]
    for cut in (*cuts, raw.rindex(b"\n" + asked.nonce) - 1):
        part = round_answers.RoundOutput(asked, raw[:cut])
        part.clock(0)
        found = part.answers()
        assert not part.ended
        for query in late:
            same = found[query] == expected[query]
            assert same or found[query].message == round_answers.UNFINISHED, (cut, query, found[query].status)
    assert part.answers()[ip] == expected[ip]
    assert round_answers.RoundOutput(asked, raw[:cuts[0]]).answers("timeout")[late[0]].files[0].status == "timeout"


def test_a_lane_that_was_cut_is_no_failed_command_and_no_half_an_answer() -> None:
    rules, log, units = Command("nft-rules"), Command("kernel-log"), Command("systemctl-units")
    answers_ = output([rules, log, units], [], b"0 out 0\nhalf", b"1 out 0\nall", b"1 end 0 0\n", b"2 out 0\nall", b"2 end 0 0\n").answers()
    assert (answers_[rules].status, answers_[rules].message, answers_[rules].data) == ("failed", f"nft: {TOO_LONG}", b"")
    assert (answers_[log].status, answers_[log].data) == ("ok", b"all")
    assert answers_[units].message == f"systemctl: {TOO_LONG}"       # its second command


def test_a_list_that_is_too_long_to_take_apart_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_answers, "_MOST_LISTED", 300)
    file, other = ReadFile("/etc/a"), ReadFile("/etc/b")
    data = b"g0 data\n==> /dev/null <==\n\n==> " + P + b"/etc/a <==\n" + b"x" * 400
    assert output([file], [(file,)], b"g0 stat\n" + STAT, data).answers()[file].files[0].data == b"x" * 400
    found = output([file, other], [(file,), (other,)], b"g0 stat\n" + STAT * 9, data, b"g1 stat\n" + STAT.replace(b"/a", b"/b")).answers()
    assert (found[file].status, found[file].message, found[file].files[0].status) == ("failed", TOO_LONG, "failed")
    assert found[other].message == ""
