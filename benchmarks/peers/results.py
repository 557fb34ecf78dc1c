"""The results of the comparison, and the table of them in the documentation."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.tools import all_tools
from lab.random_hosts.part_files import fault_named

RESULTS = Path(__file__).with_name("results.json")
Said = Mapping[str, Any]


def read_results() -> Mapping[str, Any]:
    """Return the results; empty if nothing was compared yet."""
    found: Mapping[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    return found


def write_results(results: Mapping[str, Any]) -> None:
    """Write the results, hosts in the order of their seeds."""
    hosts = {seed: results["hosts"][seed] for seed in sorted(results["hosts"], key=int)}
    RESULTS.write_text(json.dumps({**results, "hosts": hosts}, indent=1) + "\n", encoding="utf-8")


def with_found(host: Said, fault: str, found: Mapping[str, Mapping[str, Any]], commit: str) -> Said:
    """Return what is known of a host after a run: each tool of the run says at which commit it was compared."""
    now = {name: {**said, "commit": commit[:8]} for name, said in found.items()}
    return {"fault": fault, "tools": {**host.get("tools", {}), **now}}


def peer_table(results: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each tool, in the order of tools.toml."""
    hosts = results.get("hosts", {})
    broken = {seed: one["tools"] for seed, one in hosts.items() if one["fault"]}
    healthy = [one["tools"] for one in hosts.values() if not one["fault"]]
    mendable = [seed for seed in broken if is_mendable(hosts[seed]["fault"])]
    for tool in all_tools() if hosts else ():
        said = [broken[seed].get(tool.name, {}) for seed in broken]
        alarms = [bool(host[tool.name]["alarm"]) for host in healthy if tool.alarm and tool.name in host]
        mended = sum(bool(broken[seed].get(tool.name, {}).get("lasts")) for seed in mendable)
        yield (tool.name, results["versions"].get(tool.name, ""), tool.purpose,
               _count(said, "alarm") if tool.alarm else "no verdict", _count(said, "named"), _count(said, "evidence"),
               f"{mended} of {len(mendable)}" if tool.repair else "looks only",
               f"{sum(alarms)} of {len(alarms)}" if alarms else "no verdict", _median(said, "ms"),
               _median(said, "cpu_ms"))


def run_table(results: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the run: when and where it was."""
    if results.get("hosts"):
        broken = sum(bool(host["fault"]) for host in results["hosts"].values())
        yield (results["date"], str(results["cores"]), str(results["load"]), str(broken),
               str(len(results["hosts"]) - broken))


def host_table(results: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each broken host: which tools named its cause, and which of them brought the page back."""
    for seed, host in results.get("hosts", {}).items():
        if host["fault"]:
            tools = host["tools"]
            yield (seed, fault_named(host["fault"]).summary, _names(tools, "named"),
                   _names(tools, "lasts") if is_mendable(host["fault"]) else "a person must")


def is_mendable(fault: str) -> bool:
    """Return whether there is a fault, and its own file accepts a repair without a person."""
    return bool(fault) and "repaired" in fault_named(fault).outcomes


def _count(said: Sequence[Said], key: str) -> str:
    return f"{sum(bool(one.get(key)) for one in said)} of {len(said)}"


def _median(said: Sequence[Said], key: str) -> str:
    values = [one[key] for one in said if key in one]
    return f"{statistics.median(values):.0f}" if values else ""


def _names(tools: Mapping[str, Said], key: str) -> str:
    return ", ".join(name for name, one in tools.items() if one.get(key)) or "none"
