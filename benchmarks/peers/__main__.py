"""Comparison of fixer with other tools on the same hosts; writes results.json.

`python -m benchmarks.peers [SEED…] [--tool NAME]… [--resume] [--outputs DIR]`. Named seeds or tools: only these hosts
or tools, and results.json keeps the others. `--resume`: only hosts that results.json does not have yet. It needs an
idle machine, Docker, and dist/fixer.pyz (script/build)."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarks.peers.compare import compared_host, say
from benchmarks.peers.judge import peer_hosts
from benchmarks.peers.results import RESULTS, read_results, with_found, write_results
from benchmarks.peers.tools import all_tools
from lab.errors import LabError
from lab.random_hosts.ledger import current_commit
from lab.stack.docker_command import require_docker


def main() -> int:
    """Compare on all hosts, and write after each what is known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, metavar="SEED")
    parser.add_argument("--tool", action="append", default=[], choices=[tool.name for tool in all_tools()])
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--outputs", type=Path, metavar="DIR", help="keep what each tool printed")
    asked = parser.parse_args()
    tools = tuple(tool for tool in all_tools() if tool.name in asked.tool or not asked.tool)
    peers = peer_hosts()
    if unknown := set(asked.seeds) - {peer.seed for peer in peers}:
        parser.error(f"no such hosts: {', '.join(map(str, sorted(unknown)))}")
    results = read_results() if asked.seeds or asked.tool or asked.resume else {}
    hosts, versions = dict(results.get("hosts", {})), dict(results.get("versions", {}))
    try:
        require_docker()
        commit = current_commit("the comparison", besides=RESULTS)
        for peer in peers:
            if (asked.seeds and peer.seed not in asked.seeds) or (asked.resume and str(peer.seed) in hosts):
                continue
            start = time.monotonic()
            found = compared_host(peer, tools, asked.outputs, versions)
            hosts[str(peer.seed)] = with_found(hosts.get(str(peer.seed), {}), peer.fault, found, commit)
            write_results({
                "date": time.strftime("%Y-%m-%d", time.gmtime()), "cores": len(os.sched_getaffinity(0)),
                "load": round(os.getloadavg()[2], 1), "versions": versions, "hosts": hosts})
            say(f"seed {peer.seed}: done in {time.monotonic() - start:.0f} s")
    except LabError as error:
        say("\n".join(filter(None, [error.message, error.hint])))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
