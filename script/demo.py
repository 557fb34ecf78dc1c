"""Demo: break, diagnose, repair, prove, undo; the guide's four ways on both stacks, in real runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
WAYS = ("down", "wrong-port", "crash", "overload")
# For these ways the plain case instead of the seed's draw.
PLAIN = {
    ("wrong-port", "containers"): "wrong-port/container-wrong-port", ("wrong-port", "host"): "wrong-port/wrong-port",
    ("down", "host"): "backend-down/backend-not-running",
    ("crash", "host"): "crash-missing-env/start-env-var-missing",
    ("overload", "containers"): "overload-saturated/single-worker-overload",
    ("overload", "host"): "overload-saturated/single-worker-overload",
}
STACKS = ("containers", "host")
SEED = 1


@dataclass(frozen=True)
class DemoRow:
    """One line of the closing table."""

    way: str
    stack: str
    seconds: float
    failed: str


class Terminated(KeyboardInterrupt):
    """SIGTERM: unlike after Ctrl-C at a terminal, the running command has not received it."""


def run_command(*words: str, expect: tuple[int, ...]) -> str:
    """Run a command as a person would, its output on the terminal; return the problem as text, empty for none."""
    print(f"\n\033[1m$ {' '.join(words)}\033[0m" if sys.stdout.isatty() else f"\n$ {' '.join(words)}", flush=True)
    with subprocess.Popen([BIN / words[0], *words[1:]]) as command:
        try:
            code = command.wait()
        except KeyboardInterrupt as why:
            if isinstance(why, Terminated):
                command.terminate()
            command.wait()  # it removes what it started
            raise
    return "" if code in expect else f"`{' '.join(words)}` ended with {code}, expected {expect[0]}"


def running_labs() -> dict[str, dict[str, str]]:
    """Return the labs that are up and ours, by id."""
    output = subprocess.run([BIN / "lab", "status", "--json"], check=True, capture_output=True).stdout
    return {entry["id"]: entry for entry in json.loads(output)["labs"] if "asked" in entry}


def run_demo(way: str, stack: str) -> str:
    """Run one way on one stack; return what went wrong, empty if nothing."""
    before = set(running_labs())
    problem = run_command("lab", "up", PLAIN.get((way, stack), way), "--stack", stack, "--seed", str(SEED), expect=(0,))
    ids = [lab for lab in running_labs() if lab not in before]
    if problem or not ids:
        return problem or "no lab came up"
    lab = ids[0]
    target = f"docker://{lab}-host" if stack == "host" else f"compose://{lab}"
    try:
        return next(filter(None, (
            run_command("fixer", "diagnose", target, expect=(1,)),
            run_command("lab", "solve", lab, expect=(0,)),
            run_command("lab", "check", lab, "--after-restart", expect=(0,)),
            run_command("fixer", "undo", target, expect=(0,)),
            run_command("lab", "check", lab, expect=(1,)),
        )), "")
    finally:
        run_command("lab", "down", lab, expect=(0,))


def main() -> int:
    """Run all ways, then print a table; return 1 if one failed."""
    ways = [word for word in sys.argv[1:] if word not in STACKS] or list(WAYS)
    stacks = [word for word in sys.argv[1:] if word in STACKS] or list(STACKS)
    done: list[DemoRow] = []
    for way in ways:
        for stack in stacks:
            print(f"\n== {way} on the {stack} stack ==", flush=True)
            start = time.monotonic()
            problem = run_demo(way, stack)
            done.append(DemoRow(way, stack, time.monotonic() - start, problem))
    print("\nbroken, diagnosed, repaired, proven after a restart, undone:")
    for entry in done:
        mark = "✘" if entry.failed else "✔"
        print(f"  {mark} {entry.way:<11} {entry.stack:<11} {entry.seconds:4.0f} s  {entry.failed}")
    return 1 if any(entry.failed for entry in done) else 0


def _raise_terminated(number: int, frame: object) -> None:
    """End on SIGTERM like on Ctrl-C: the lab that is up is removed."""
    raise Terminated


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
