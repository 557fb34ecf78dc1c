"""One host of the comparison: made, broken, looked at by every tool, and made again for each tool that repairs."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.judge import PeerHost, names_cause, quotes_log, shows_place, with_values
from benchmarks.peers.results import is_mendable
from benchmarks.peers.tools import Tool, ToolRun, bring_tools, ensure_image, run_tool, version_of
from lab.errors import UnexpectedState
from lab.random_hosts.create_host import running_host
from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.host_images import ensure_images, image_of
from lab.random_hosts.running_host import RunningHost
from lab.random_hosts.visits import Visitors
from lab.trial.manifest import differences

RUNS, LONG_MS = 3, 10_000.0      # a look is measured so often, if it does not take longer
SETTLE_SECONDS = 20.0       # a tool need not wait for what it has started
_FILES = """
for path in $(find -L /etc/nginx /etc/systemd/system /etc/supervisor -type f -size -200k 2>/dev/null) {own}; do
  printf '\\n\\001%s\\n' "$path"; cat "$path" 2>/dev/null || true
done"""
_LOGS = "journalctl -u nginx -u '{unit}' --since '{since}' --no-pager 2>/dev/null; true"


@dataclass(slots=True)
class BrokenHost:
    """A host with its fault, its visitors, and where its logs stood before. `files` are those of nginx, of the managers
    and of the service, by their paths."""

    host: RunningHost
    visitors: Visitors
    mark: float
    since: str
    files: Mapping[str, str] = field(default_factory=dict)

    def logged(self) -> str:
        """Return what nginx and the service logged since the fault."""
        unit = self.host.spec.values["service"] or "nginx"
        journal = self.host.shell(_LOGS.format(unit=unit, since=self.since), check=False).text
        return f"{self.host.logged_since(self.mark)}\n{journal}"

    def read_files(self) -> None:
        """Read the files as they are now, before any tool has changed them."""
        own = " ".join(f"'{self.host.spec.values[name]}'" for name in ("service_file", "application_file"))
        told = self.host.shell(_FILES.format(own=own), check=False).out.decode("utf-8", "replace")
        self.files = {path: text for path, _, text in (one.partition("\n") for one in told.split("\n\001")[1:])}


def say(line: str) -> None:
    """Show progress."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def compared_host(peer: PeerHost, tools: tuple[Tool, ...], outputs: Path | None,
                  versions: dict[str, str]) -> Mapping[str, Any]:
    """Return what each tool achieved on one host, by its name."""
    spec = draw_host(peer.seed)
    ensure_images(say, [spec])
    image = ensure_image(say, image_of(spec))
    found: dict[str, dict[str, Any]] = {tool.name: {} for tool in tools}
    lookers = [tool for tool in tools if tool.look]
    if lookers:
        with _broken_host(peer, image, tools) as broken, broken.visitors.keep_visiting():
            versions.update({tool.name: version_of(broken.host, tool) for tool in tools})
            for tool in lookers:
                found[tool.name] |= _looked(peer, broken, tool, outputs)
                say(f"seed {peer.seed} {peer.fault or 'healthy'}: {tool.name}: {found[tool.name]}")
    for tool in tools:
        # where nothing can be repaired, a tool that has looked has said what it has to say
        if tool.repair and (not tool.look or is_mendable(peer.fault)):
            with _broken_host(peer, image, tools) as broken:
                versions.setdefault(tool.name, version_of(broken.host, tool))
                found[tool.name] |= _repaired(peer, broken, tool, outputs)
                say(f"seed {peer.seed} {peer.fault or 'healthy'}: {tool.name} repairs: {found[tool.name]}")
    return found


@contextmanager
def _broken_host(peer: PeerHost, image: str, tools: tuple[Tool, ...]) -> Iterator[BrokenHost]:
    """Yield the host with its fault; raise UnexpectedState unless it is well before and fails with it."""
    with running_host(draw_host(peer.seed), image) as host:
        bring_tools(host, tools)
        visitors = Visitors(host)
        visitors.record()
        since = host.shell("date '+%Y-%m-%d %H:%M:%S'").text.strip()
        broken = BrokenHost(host, visitors, host.log_mark(), since)
        for fault in host.spec.faults:
            host.inject(fault)
        host.settle()
        if host.spec.faults and visitors.begins_to_fail() is None:
            raise UnexpectedState(f"seed {peer.seed} does not fail with {peer.fault}")
        broken.read_files()
        yield broken


def _looked(peer: PeerHost, broken: BrokenHost, tool: Tool, outputs: Path | None) -> dict[str, Any]:
    """Return what a look says, what it costs, and whether it changed anything."""
    before = broken.host.manifest()
    runs = [run_tool(broken.host, tool, "look")]
    while len(runs) < RUNS and runs[0].use.ms < LONG_MS:
        runs.append(run_tool(broken.host, tool, "look"))
    _keep(outputs, peer, tool, "look", runs[0])
    return {**_said(peer, broken, tool, runs[0]), "changed": len(differences(before, broken.host.manifest())),
            "ms": round(statistics.median(one.use.ms for one in runs), 1),
            "cpu_ms": round(statistics.median(one.use.cpu_ms for one in runs), 1)}


def _repaired(peer: PeerHost, broken: BrokenHost, tool: Tool, outputs: Path | None) -> dict[str, Any]:
    """Return what a repair achieved, judged by the oracle from outside. A tool that only repairs is also judged by
    what it says then."""
    host, visitors = broken.host, broken.visitors
    with visitors.keep_visiting():
        ran = run_tool(host, tool, "repair")
    _keep(outputs, peer, tool, "repair", ran)
    said = {} if tool.look else {**_said(peer, broken, tool, ran), "ms": round(ran.use.ms, 1),
                                 "cpu_ms": round(ran.use.cpu_ms, 1)}
    is_well = not visitors.becomes_well(SETTLE_SECONDS)
    lasts = is_well and _is_well_after(host.restart_service, visitors) and _is_well_after(host.reboot, visitors)
    return {**said, "well": is_well, "lasts": lasts, "repair_code": ran.code, "repair_ms": round(ran.use.ms, 1)}


def _is_well_after(restart: Callable[[], object], visitors: Visitors) -> bool:
    restart()
    return not visitors.becomes_well()


def _said(peer: PeerHost, broken: BrokenHost, tool: Tool, ran: ToolRun) -> dict[str, Any]:
    fill = broken.host.spec.fill
    cause, place = with_values(peer.cause, fill), with_values(peer.place, fill)
    proven = quotes_log(ran.output, broken.logged()) or shows_place(ran.output, place, broken.files)
    return {"alarm": tool.is_alarmed(ran), "named": names_cause(ran.output, cause),
            "evidence": proven if peer.fault else False, "code": ran.code}


def _keep(outputs: Path | None, peer: PeerHost, tool: Tool, script: str, ran: ToolRun) -> None:
    if outputs is not None:
        outputs.mkdir(parents=True, exist_ok=True)
        name = f"{peer.seed}-{peer.fault or 'healthy'}-{Path(tool.folder).name}-{script}.txt"
        (outputs / name).write_text(ran.output[:400_000], encoding="utf-8")
