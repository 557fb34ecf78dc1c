"""The tools of tools.toml, put on a random host."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from platform import machine

from benchmarks.alternate import Use
from benchmarks.machine import ROOT, run
from lab.errors import LabError
from lab.random_hosts.host_spec import HostSpec, fill
from lab.random_hosts.running_host import RunningHost
from lab.stack import docker_engine, images

TOOLS_FILE = Path(__file__).with_name("tools.toml")
FOLDER = "/usr/lib/peers"       # the image has it; nothing there counts as a change of the host
STATE = "/var/lib/peers"
PYTHON = "3.13"     # of Debian 13
LIMIT = 240     # seconds of one run
BROUGHT = {"fixer": ("fixer.pyz", ROOT / "dist" / "fixer.pyz"),
           "six steps": ("six_steps.sh", ROOT / "examples" / "six_steps.sh")}


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: what it is for, and how it looks and repairs."""

    name: str
    purpose: str
    version: str
    alarm: str
    look: str = ""
    repair: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Return the folder of its files on the host."""
        return f"{FOLDER}/on/{re.sub(r'[^a-z0-9]+', '-', self.name.lower()).strip('-')}"

    def is_alarmed(self, ran: ToolRun) -> bool | None:
        """Return whether it says that something is wrong; None if it gives no verdict."""
        if not self.alarm:
            return None
        return ran.code != 0 if self.alarm == "exit" else re.search(self.alarm, ran.output) is not None


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One run of a tool on a host."""

    use: Use
    code: int
    output: str


def all_tools() -> tuple[Tool, ...]:
    """Return the tools in the order of the file."""
    data = tomllib.loads(TOOLS_FILE.read_text(encoding="utf-8"))
    return tuple(Tool(one["name"], one["for"], one["version"], one["alarm"], one.get("look", ""),
                      one.get("repair", ""), one.get("files", {})) for one in data["tools"])


def values_of(spec: HostSpec, tool: Tool) -> Mapping[str, str]:
    """Return the values of a host, and what somebody who sets the tool up makes of them."""
    service, https = spec.values["service"], spec.values["front_scheme"] == "https"
    return {
        **spec.values, "files": tool.folder, "page_name": spec.values["visit_name"] or "localhost",
        "page_port": "443" if https else "80", "check_tls": "-S" if https else "",
        "goss_unit": f'  "{service}":\n    enabled: true\n    running: true' if service.endswith(".service") else "",
    }


def ensure_image(say: Callable[[str], None], below: str) -> str:
    """Build the image with the tools on the image of a random host if it is missing; return its tag."""
    folder = Path(__file__).with_name("image")
    tag = f"badgateway/peers:{below.rpartition(':')[2]}-{images.folder_digest(folder)}"
    if tag not in docker_engine.image_names():
        say(f"image {tag}: building")
        with tempfile.TemporaryDirectory(prefix="image-") as temporary:
            context = Path(shutil.copytree(folder, Path(temporary) / "image"))
            for tool in (context / "python-tools.txt").read_text(encoding="utf-8").split():
                _fetch_wheels(tool, context / "wheels" / tool.partition("=")[0])
            docker_engine.build_image(context, tag, {"badgateway.image": "peers"}, {"BELOW": below})
    return tag


def _fetch_wheels(tool: str, folder: Path) -> None:
    """Download a Python tool and what it needs, for the Python of the machine that it is to run on."""
    kinds = [f"manylinux2014_{machine()}", f"manylinux_2_28_{machine()}", "any"]
    run(sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "--python-version", PYTHON,
        "--implementation", "cp", "--abi", f"cp{PYTHON.replace('.', '')}", "--abi", "abi3", "--abi", "none",
        *(word for kind in kinds for word in ("--platform", kind)), "-d", folder, tool)


def bring_tools(host: RunningHost, tools: tuple[Tool, ...]) -> None:
    """Write the files of the tools on the host, and give the site's name an address, as a name server would."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "on"
        for tool in tools:
            own = place / Path(tool.folder).name
            own.mkdir(parents=True)
            values = values_of(host.spec, tool)
            for name, text in {**tool.files, "look": tool.look, "repair": tool.repair}.items():
                (own / name).write_text(fill(text.lstrip("\n"), values), encoding="utf-8")
                (own / name).chmod(0o700)
            if brought := BROUGHT.get(tool.name):
                shutil.copy(brought[1], own / brought[0])
        shutil.copy(ROOT / "benchmarks" / "alternate.py", place)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(place, "on", filter=_owned_by_root)
    docker_engine.execute(host.container, ["tar", "-xpf", "-", "-C", FOLDER], user="0", stdin=packed.getvalue())
    name = host.spec.values["visit_name"]
    host.shell(f"mkdir -p {STATE}" + (f"; echo '127.0.0.1 {name}' >> /etc/hosts" if name else ""))


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def run_tool(host: RunningHost, tool: Tool, script: str) -> ToolRun:
    """Run the tool's `look` or `repair` on the host, measured there by one program."""
    argv = ["timeout", "-k", "5", str(LIMIT), "sh", "-c", f"cd {tool.folder} && exec sh ./{script}"]
    ran = docker_engine.execute(host.container, ["python3", f"{FOLDER}/on/alternate.py"], user="0",
                                stdin=json.dumps({"once": argv}).encode())
    found = json.loads(ran.out)
    return ToolRun(Use(*found["use"]), found["code"], found["output"])


def version_of(host: RunningHost, tool: Tool) -> str:
    """Return the tool's version, as it is on the host; raise LabError if it is not there."""
    argv = ["sh", "-c", f"cd {tool.folder} && {tool.version}"]
    ran = docker_engine.execute(host.container, argv, user="0", check=False)
    if ran.code != 0 or not ran.text.strip():
        raise LabError(f"{tool.name} is not on the host: {ran.error_line}")
    return str(ran.text.strip())
