"""One shell for all rounds of a look: it ends with the look, and a round leaves nothing behind for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.hosts.machine import look_budget
from fixer.hosts.machine.look_budget import one_look
from fixer.hosts.sh.lasting_shell import LastingShell
from fixer.hosts.sh.round_answers import RoundOutput
from fixer.hosts.sh.round_script import build_round_script
from fixer.model.host import CommandResult
from fixer.model.query import ListProcesses, ReadFile
from tests.hosts.machine.test_run_process import gone

OWN_PID = b"printf '\\n%032d clock 0 %s\\n' 1 $$\n"      # as the first line of a round


def run(shell: LastingShell, script: bytes, *, timeout: float = 20.0, max_output: int = 1 << 20) -> CommandResult:
    return shell.run(script, timeout=timeout, max_output=max_output)


@pytest.mark.parametrize("name", ["sh", "bash"])
def test_one_shell_answers_all_rounds_of_a_look_and_ends_with_it(name: str) -> None:
    shell = LastingShell((name, "-s"))
    with one_look():
        pids = {run(shell, b"echo $$").stdout for _ in range(3)}
        assert len(pids) == 1
        [pid] = map(int, pids)
        assert not gone(pid)
    assert gone(pid)
    with one_look():
        assert run(shell, b"echo $$").stdout not in pids


def test_outside_of_a_look_each_script_has_its_own_shell() -> None:
    shell = LastingShell(("sh", "-s"))
    assert run(shell, b"echo $$").stdout != run(shell, b"echo $$").stdout


def test_nothing_of_a_round_is_left_for_the_next() -> None:
    shell = LastingShell(("sh", "-s"))
    with one_look():
        first = run(shell, b"x=1; f() { :; }; set -f; cd /; umask 0; exec 5>&1; trap 'echo bye' EXIT; exit 7")
        assert (first.stdout, first.returncode) == (b"bye\n", 0)
        asked = b'echo "$x$-" "$PWD" "$(umask)"; command -v f; echo to >&5; echo end'
        assert run(shell, asked).stdout == run(LastingShell(("sh", "-s")), asked).stdout


def test_a_script_that_reads_does_not_take_the_next_one() -> None:
    shell = LastingShell(("sh", "-s"))
    with one_look():
        assert run(shell, b"cat; echo a").stdout == b"a\n"
        assert run(shell, b"echo b").stdout == b"b\n"


def test_any_bytes_come_back_whole_also_very_many() -> None:
    shell = LastingShell(("sh", "-s"))
    with one_look():
        assert run(shell, rb"printf 'a\377\0b'").stdout == b"a\xff\0b"
        assert run(shell, b"head -c 3000000 /dev/zero", max_output=4 << 20).stdout == bytes(3_000_000)
        assert run(shell, b": " + b"x" * 3_000_000 + b"\necho all").stdout == b"all\n"


def test_a_shell_that_has_ended_since_is_replaced(tmp_path: Path) -> None:
    """As in a container that restarts again and again; one that ends in the middle of a round is told."""
    shell = LastingShell(("sh", "-s"))
    with one_look():
        assert run(shell, OWN_PID).returncode == 0
        broken = run(shell, OWN_PID + b"kill -9 $$; sleep 9")
        assert broken.returncode == -9 and b" clock " in broken.stdout
        assert run(shell, b"echo on").stdout == b"on\n"
        at_first = f"[ -e {tmp_path}/f ] || {{ : >{tmp_path}/f; kill -9 $$; }}; echo on"
        assert run(shell, at_first.encode()).stdout == b"on\n"


def test_a_round_that_takes_too_long_ends_the_shell(tmp_path: Path) -> None:
    shell = LastingShell(("sh", "-s"))
    with one_look():
        assert run(shell, b"echo on").stdout == b"on\n"
        late = run(shell, f"echo $$ >{tmp_path}/pid; echo begun; sleep 60".encode(), timeout=1.0)
        assert (late.timed_out, late.returncode, late.stdout) == (True, None, b"begun\n")
        assert gone(int((tmp_path / "pid").read_text()))
        assert run(shell, b"echo on").stdout == b"on\n"


def test_too_much_output_is_cut_and_ends_the_shell() -> None:
    shell = LastingShell(("sh", "-s"))
    with one_look():
        cut = run(shell, b"cat /dev/zero", max_output=100_000)
        assert (cut.truncated, cut.timed_out, len(cut.stdout)) == (True, True, 100_000)
        assert run(shell, b"echo on").stdout == b"on\n"


def test_no_shell_is_started_after_the_last_second(tmp_path: Path) -> None:
    shell = LastingShell(("sh", "-s"))
    with one_look() as look:
        look.extend(-2 * look_budget.LOOK_SECONDS)
        assert run(shell, f": >{tmp_path}/made".encode()).timed_out
    assert not (tmp_path / "made").exists()


def test_a_missing_shell_is_a_result() -> None:
    with one_look():
        assert run(LastingShell(("/no/such/shell",)), b"echo x").missing
        said = run(LastingShell(("sh", "-c", "echo 'no shell here' >&2; exit 126")), b"echo x")
        assert (said.returncode, said.stderr) == (126, b"no shell here\n")


def test_its_own_processes_are_none_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    asked = build_round_script([ListProcesses(), ReadFile(f"{tmp_path}/f")])
    with one_look():
        shell = LastingShell(("sh", "-s"))
        for _ in range(2):
            output = RoundOutput(asked, run(shell, asked.script, max_output=32 << 20).stdout)
            output.clock(0.0)
            answers = output.answers()
            shown = {f.path: f.data for f in answers[asked.queries[0]].files if f.path.endswith("/stat")}
            assert output.ended and len(shown) > 2 and f"/proc/{output.own_pid}/stat" not in shown
            parents = {data.rpartition(b") ")[2].split()[1] for path, data in shown.items() if path != "/proc/stat"}
            assert str(output.own_pid).encode() not in parents
            assert answers[asked.queries[1]].files[0].data == b"x"
