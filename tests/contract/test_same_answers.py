"""Every transport gives the same answers about the same files, and nothing in them can block or mislead it."""

import json
import os
import stat
import time

import pytest

from fixer.model.query import (
    Answer,
    Command,
    FileAnswer,
    ListProcesses,
    ListSockets,
    Probe,
    ReadFile,
    ReadGlob,
    ReadTree,
)
from tests.contract.transports import Transport

NAMES = ["plain", "sp ace", "quo'te", 'dou"ble', "per%s", "new\nline", "$HOME", "`id`", "back\\slash", "-rf", "*", "[a]",
         " lead", "trail ", "ünï", "a -> b", ".hidden", "x==> y <=="]


def one(place: Transport, query: ReadFile) -> FileAnswer:
    answer = place.asker.ask([query])[query]
    [file] = answer.files
    assert answer.status == file.status
    return file


def by_name(answer: Answer) -> dict[str, FileAnswer]:
    assert answer.status == "ok", answer
    return {file.path.rpartition("/")[2]: file for file in answer.files}


def test_names_of_every_kind_are_read_and_found(place: Transport) -> None:
    place.sh('cd "$1"; shift; for f; do printf "%s" "<$f>" >"./$f"; done', place.root, *NAMES)
    files = [ReadFile(f"{place.root}/{name}") for name in NAMES]
    tree, glob = ReadTree(place.root), ReadGlob((f"{place.root}/*",))
    answers = place.asker.ask([*files, tree, glob])
    for name, query in zip(NAMES, files, strict=True):
        assert answers[query].files[0].data == f"<{name}>".encode(), name
        assert answers[query].files[0].stat.real_path == f"{place.root}/{name}"
    assert set(by_name(answers[tree])) == set(NAMES)
    assert set(by_name(answers[glob])) == set(NAMES) - {".hidden"}
    assert [f.path for f in answers[tree].files] == sorted(f.path for f in answers[tree].files)


def test_names_and_content_that_are_not_utf8(place: Transport) -> None:
    place.sh(r"""cd "$1"; n=$(printf 'caf\351'); printf 'a\377\0\001\nb' >"$n" """, place.root)
    path = os.fsdecode(os.fsencode(place.root) + b"/caf\xe9")
    assert one(place, ReadFile(path)).data == b"a\xff\0\x01\nb"
    query = ReadTree(place.root)
    assert [f.path for f in place.asker.ask([query])[query].files] == [path]


def test_a_path_with_nul_or_without_root_is_refused_and_disturbs_nothing(place: Transport) -> None:
    bad, good = ReadFile("/etc/\0passwd"), ReadFile("/etc/passwd")
    answers = place.asker.ask([bad, good])
    assert answers[bad].status == "failed"
    assert answers[good].status == "ok"


def test_what_is_no_file_gives_its_stat_at_once(place: Transport) -> None:
    place.sh('mkfifo "$1/fifo"; mkdir "$1/dir"; ln -s fifo "$1/link"', place.root)
    started = time.monotonic()
    for name, kind in (("fifo", "fifo"), ("dir", "dir"), ("link", "link")):
        file = one(place, ReadFile(f"{place.root}/{name}"))
        assert (file.status, file.stat.kind, file.data) == ("ok", kind, b"")
    zero = one(place, ReadFile("/dev/zero"))
    assert (zero.stat.kind, zero.data) == ("device", b"")
    tree, glob = ReadTree(place.root), ReadGlob((f"{place.root}/f*", "/dev/ful[l]"))
    answers = place.asker.ask([tree, glob])
    assert set(by_name(answers[tree])) == {"fifo", "link"}
    assert set(by_name(answers[glob])) == {"fifo", "full"}
    assert time.monotonic() - started < 8


def test_links_tell_where_they_lead(place: Transport) -> None:
    place.sh("""cd "$1"; mkdir real; echo x >real/f; chmod 640 real/f; ln -s real/f good; ln -s nowhere dangling
ln -s loop loop; ln -s real folder; ln -s "$1/real" abs; ln -s good twice; ln -s "a -> b
c" odd""", place.root)
    good = one(place, ReadFile(f"{place.root}/good"))
    assert (good.status, good.data, good.stat.kind, good.stat.link_target) == ("ok", b"x\n", "link", "real/f")
    assert good.stat.real_path == f"{place.root}/real/f"
    assert (good.stat.target.kind, good.stat.target.mode, good.stat.target.size) == ("file", 0o640, 2)
    assert one(place, ReadFile(f"{place.root}/twice")).stat.real_path == f"{place.root}/real/f"
    assert one(place, ReadFile(f"{place.root}/folder/f")).stat.real_path == f"{place.root}/real/f"
    assert one(place, ReadFile(f"{place.root}/odd")).stat.link_target == "a -> b\nc"
    for name in ("dangling", "loop"):
        file = one(place, ReadFile(f"{place.root}/{name}"))
        assert (file.status, file.stat.kind, file.stat.real_path) == ("absent", "link", None)
    query = ReadTree(place.root)
    tree = by_name(place.asker.ask([query])[query])
    assert set(tree) == {"f", "good", "dangling", "loop", "folder", "abs", "twice", "odd"}
    assert tree["folder"].stat.target.kind == "dir"


def test_stat_is_that_of_the_machine(place: Transport) -> None:
    place.sh('cd "$1"; echo abc >f; chmod 4751 f; ln f g; touch -d "2020-02-02 02:02:02.5 UTC" f', place.root)
    file = one(place, ReadFile(f"{place.root}/f"))
    assert (file.stat.mode, file.stat.size, file.stat.nlink) == (0o4751, 4, 2)
    assert abs(file.stat.mtime - 1580608922.5) < 0.01
    assert file.stat.inode == one(place, ReadFile(f"{place.root}/g")).stat.inode


def test_absent_is_not_denied(place: Transport) -> None:
    place.sh('echo x >"$1/f"', place.root)
    for path in ("/no", f"{place.root}/no", f"{place.root}/f/below", f"{place.root}/no/deeper/still"):
        file = one(place, ReadFile(path))
        assert (file.status, file.stat) == ("absent", None), path
    tree = ReadTree(f"{place.root}/no")
    assert place.asker.ask([tree])[tree].status == "absent"
    glob = ReadGlob((f"{place.root}/no*", f"{place.root}/exact"))
    assert place.asker.ask([glob])[glob] == Answer("ok")


def test_limits_heads_and_tails(place: Transport) -> None:
    place.sh('cd "$1"; i=0; while [ $i -lt 1000 ]; do echo "line $i"; i=$((i+1)); done >log; : >empty', place.root)
    head = one(place, ReadFile(f"{place.root}/log", 14))
    assert (head.data, head.truncated) == (b"line 0\nline 1\n", True)
    tail = one(place, ReadFile(f"{place.root}/log", 9, tail=True))
    assert (tail.data, tail.truncated) == (b"line 999\n", True)
    whole = one(place, ReadFile(f"{place.root}/log", 1 << 20, tail=True))
    assert (whole.data[:7], whole.truncated) == (b"line 0\n", False)
    assert one(place, ReadFile(f"{place.root}/log", whole.stat.size)).truncated is False
    assert one(place, ReadFile(f"{place.root}/empty")).status == "ok"


def test_ten_megabytes_come_through(place: Transport) -> None:
    place.sh('head -c 10000000 /dev/urandom >"$1/big"', place.root)
    file = one(place, ReadFile(f"{place.root}/big", 20 << 20))
    assert len(file.data) == file.stat.size == 10_000_000
    assert not file.truncated


def test_trees_have_depth_and_a_bound(place: Transport) -> None:
    place.sh('cd "$1"; mkdir -p a/b/c/d e; for d in . a a/b a/b/c a/b/c/d; do echo $d >$d/f; done; echo h >a/.dot', place.root)
    query = ReadTree(place.root, depth=3)
    answer = place.asker.ask([query])[query]
    assert [f.path.removeprefix(place.root) for f in answer.files] == ["/a/.dot", "/a/b/f", "/a/f", "/f"]
    few = ReadTree(place.root, max_files=2)
    answer = place.asker.ask([few])[few]
    assert len(answer.files) == 2
    assert "more than 2" in answer.message
    glob = ReadGlob((f"{place.root}/*/f", f"{place.root}/f"), max_files=1)
    assert "more than 1" in place.asker.ask([glob])[glob].message


def test_thousands_of_files_beside_what_is_none_are_all_read_and_cost_no_square(place: Transport) -> None:
    place.sh('cd "$1"; mkfifo fifo; seq 4000 | while read -r n; do echo "$n" >"f$n"; done', place.root)
    query = ReadTree(place.root, max_files=20_000)
    began = time.monotonic()
    found = by_name(place.asker.ask([query])[query])
    assert time.monotonic() - began < 15
    assert len(found) == 4001 and found["fifo"].stat.kind == "fifo"
    assert all(found[f"f{n}"].data == b"%d\n" % n for n in range(1, 4001))


def test_globs_keep_to_their_brackets(place: Transport) -> None:
    place.sh('cd "$1"; for f in a.conf b.conf c.conf x.txt "d .conf" "[q].conf"; do : >"$f"; done', place.root)
    cases = {"[ab].conf": ["a.conf", "b.conf"], "[!ab]?conf": ["c.conf"], "d *": ["d .conf"], "?.txt": ["x.txt"],
             "[a-c].conf": ["a.conf", "b.conf", "c.conf"]}
    queries = {text: ReadGlob((f"{place.root}/{text}",)) for text in cases}
    answers = place.asker.ask(list(queries.values()))
    for text, names in cases.items():
        assert list(by_name(answers[queries[text]])) == names, text


def test_many_questions_in_one_round_each_have_their_answer(place: Transport) -> None:
    place.sh('cd "$1"; i=0; while [ $i -lt 120 ]; do echo $i >f$i; i=$((i+1)); done', place.root)
    queries = [ReadFile(f"{place.root}/f{n}", 100 + n, tail=bool(n % 2)) for n in range(120)]
    answers = place.asker.ask([*queries, *queries])
    assert [answers[q].files[0].data for q in queries] == [f"{n}\n".encode() for n in range(120)]


def test_processes_with_their_words_and_links(place: Transport) -> None:
    script = 'cd "$1"; ln -sf "$(command -v sleep)" "new\nline"; "./new\nline" 300 >/dev/null 2>&1 & echo $!'
    pid = place.sh(script, place.root).stdout.decode().strip()
    try:
        query = ListProcesses()
        files = {f.path: f for f in place.asker.ask([query])[query].files}
        assert files[f"/proc/{pid}/cmdline"].data == b"./new\nline\x00300\x00"
        # kernels differ in whether they escape line breaks here; either way the file is whole
        stat_line = files[f"/proc/{pid}/stat"].data
        assert stat_line.startswith((f"{pid} (new\nline) ".encode(), f"{pid} (new\\nline) ".encode()))
        assert len(stat_line.rpartition(b")")[2].split()) > 40
        uid, gid = place.sh('awk "/^Uid/{print \\$3} /^Gid/{print \\$3}" "/proc/$1/status"', pid).stdout.split()
        owner = files[f"/proc/{pid}"].stat
        assert (owner.kind, owner.uid, owner.gid) == ("dir", int(uid), int(gid))
        assert files[f"/proc/{pid}/cwd"].stat.link_target == place.root
        assert files[f"/proc/{pid}/exe"].stat.link_target.startswith("/")
        assert b"btime " in files["/proc/stat"].data
        assert files["/proc/uptime"].data
    finally:
        place.sh('kill -9 "$1"', pid)


# Listens as root, then becomes another user and another program: with its descriptors, one of a lying name.
LISTENER = r"""BEGIN { $^F = 99 } use Socket; my ($uid, $odd) = @ARGV; open(F, ">", $odd);
socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(0, INADDR_LOOPBACK)); listen(S, 5);
my ($port) = sockaddr_in(getsockname(S)); $( = $uid; $) = "$uid $uid"; $< = $uid; $> = $uid;
exec("perl", "-e", '$| = 1; print "$$ $ARGV[0]\n"; close STDOUT; close STDERR; sleep 300', $port);"""


def test_listening_sockets_have_their_owner_even_when_another_user(place: Transport) -> None:
    odd = f"{place.root}/x -> socket:[1]\nlrwx------ 1 0 0 64 Nov 24 15:02 9 -> socket:[2]"
    script = 'chmod 755 "$1"; perl -e "$2" "$3" "$4" >"$1/out" 2>&1 & while [ ! -s "$1/out" ]; do sleep 0.05; done; cat "$1/out"'
    pid, port = place.sh(script, place.root, LISTENER, "4711", odd).stdout.decode().split()
    try:
        query = ListSockets()
        answer = place.asker.ask([query])[query]
        table = next(f.data for f in answer.files if f.path == "/proc/net/tcp").decode()
        row = next(line.split() for line in table.splitlines() if f":{int(port):04X} " in line and " 0A " in line)
        owners = {f.path.split("/")[2] for f in answer.files if f.stat and f.stat.link_target == f"socket:[{row[9]}]"}
        assert owners == {pid}
    finally:
        place.sh('kill -9 "$1"', pid)


def test_clock_zone_and_privilege(place: Transport) -> None:
    before = time.time()
    place.asker.ask([])
    clock = place.asker.clock()
    assert before - 2 < clock.now < time.time() + 2
    assert clock.root == (place.sh("id -u").stdout.strip() == b"0")
    assert clock.utc_offset == _seconds(place.sh("date +%z").stdout.decode())


def _seconds(zone: str) -> float:
    sign = -1 if zone.startswith("-") else 1
    return float(sign * (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60))


def test_own_addresses_and_names(place: Transport) -> None:
    addresses, names = Command("ip-addresses"), Command("resolve", ("localhost", "no-such-name.invalid"))
    answers = place.asker.ask([addresses, names])
    assert b"127.0.0.1\n" in answers[addresses].data
    lines = answers[names].data.decode().splitlines()
    assert lines
    assert set(lines) <= {"localhost 127.0.0.1", "localhost ::1"}


def test_commands_run_only_as_they_are_known(place: Transport) -> None:
    path = f"{place.root}/nginx"
    place.sh(r"""printf '#!/bin/sh\nprintf "<%%s>" "$@"; echo err >&2; exit 3\n' >"$1"; chmod 755 "$1" """, path)
    conf = f"/etc/x y' $(touch {place.root}/owned) `id` ;*.conf"
    ours, evil = Command("nginx-test", (path, conf, "")), Command("nginx-test", (f"{path};id", "", ""))
    hostile = [Command("systemctl-show", ("-H evil",)), Command("journal", ("a;id", "5")), Command("resolve", ("-x",)),
               Command("nginx-test", ("nginx", "", "")), Command("docker-logs", ("x", "5"))]
    answers = place.asker.ask([ours, evil, *hostile])
    answer = answers[ours]
    assert (answer.returncode, answer.data, answer.stderr.strip()) == (3, f"<-t><-c><{conf}>".encode(), b"err")
    assert one(place, ReadFile(f"{place.root}/owned")).status == "absent"
    assert answers[evil].status == "no-tool"
    assert {answers[q].status for q in hostile} == {"failed"}
    assert all("refused" in answers[q].message for q in hostile)


def test_a_program_that_others_could_replace_is_not_run(place: Transport) -> None:
    path = f"{place.root}/nginx"
    place.sh(r"""printf '#!/bin/sh\necho owned >"%s/owned"\n' "$2" >"$1"; chmod 777 "$1" """, path, place.root)
    query, proof = Command("nginx-test", (path, "", "")), ReadFile(f"{place.root}/owned")
    assert place.asker.ask([query])[query].status == "denied"
    assert one(place, proof).status == "absent"


@pytest.mark.parametrize("given", ["program", "folder"])
def test_a_program_of_another_user_is_not_run(place: Transport, given: str) -> None:
    """Its own, or root's in a folder where they could put another in its place."""
    if place.sh("id -u").stdout.strip() != b"0":
        pytest.skip("only root can give files away")
    folder = f"{place.root}/theirs"
    place.sh(r"""mkdir "$1"; printf '#!/bin/sh\necho owned >"%s/owned"\n' "$1" >"$1/nginx"; chmod 755 "$1" "$1/nginx"
    chown 65534 "$2" """, folder, f"{folder}/nginx" if given == "program" else folder)
    query, proof = Command("nginx-test", (f"{folder}/nginx", "", "")), ReadFile(f"{folder}/owned")
    assert place.asker.ask([query])[query].status == "denied"
    assert one(place, proof).status == "absent"


def test_a_command_that_reads_stdin_or_prints_much_does_not_disturb_the_others(place: Transport) -> None:
    path = f"{place.root}/nginx"
    place.sh(r"""printf '#!/bin/sh\ncat\nhead -c 3000000 /dev/zero\nprintf end\n' >"$1"; chmod 755 "$1" """, path)
    queries = [Command("nginx-version", (path,)), Command("ip-addresses"), ReadFile("/etc/passwd"),
               Command("resolve", ("localhost",))]
    answers = place.asker.ask(queries)
    assert answers[queries[0]].data == b"\0" * 3_000_000 + b"end"
    assert all(answers[q].status == "ok" for q in queries)


def test_probes_of_a_closed_port(place: Transport) -> None:
    queries = [Probe("127.0.0.1", 9, "/"), Probe("127.0.0.1", 9, None)]
    answers = place.asker.ask(queries)
    for query in queries:
        found = json.loads(answers[query].data)
        assert (found["error"], found["errno"], found["phase"]) == ("refused", 111, "connect")


def test_reading_leaves_no_trace(place: Transport) -> None:
    place.sh('cd "$1"; mkdir d; echo x >d/f', place.root)
    before = place.sh('cd "$1"; ls -lRa --full-time .', place.root).stdout
    place.asker.ask([ReadTree(place.root), ReadFile(f"{place.root}/d/f"), ListProcesses(), ListSockets()])
    assert place.sh('cd "$1"; ls -lRa --full-time .', place.root).stdout == before


def test_stat_kinds_have_no_type_bits(place: Transport) -> None:
    file = one(place, ReadFile("/etc/passwd"))
    assert file.stat.mode == stat.S_IMODE(file.stat.mode)
