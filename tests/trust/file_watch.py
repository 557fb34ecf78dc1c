"""What every command that only reads leaves on a lab: file by file, as seen from outside, before and after each.

`python -m tests.trust.file_watch CASE…` tries those by hand (a CASE is SCENARIO/VARIANT:STACK[:SEED[:NOISE]]) and prints what each
left and what moved by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import typer

from lab.scenario.scenario_file import Stack
from lab.stack import images
from lab.stack.docker_command import labelled_ids
from lab.stack.running_lab import Lab
from lab.verbs.down import lab_down
from lab.verbs.up import lab_up
from tests.contract import sshd_machines
from tests.contract.sshd_machines import docker

LabState = Mapping[str, object]
_DIGESTS: dict[tuple[int, ...], str] = {}
ROOTS = ("etc", "var", "srv", "opt", "usr/local", "root", "home", "tmp", "boot", "usr/lib/systemd")
FIXER_FOLDER = "/run/carried"        # fixer, inside: on a file system of its own that no picture shows
USER = "visitor"                # in the machine: no sudo, no group

# What reads; {out} is a file that may be written, outside of what is compared.
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("diagnose", "{}", "--json", "--verbose"), ("diagnose", "{}", "--no-probe"),
    ("diagnose", "{}", "--format", "html", "--url", "http://127.0.0.1/"), ("verify", "{}"),
    ("repair", "{}", "--dry-run"), ("repair", "{}", "--dry-run", "--json", "--yes", "--max-risk", "disruptive"),
    ("repair", "{}"), ("history", "{}"), ("ignore", "{}"), ("collect", "{}", "-o", "{out}"),
)
TARGETLESS_COMMANDS: tuple[tuple[str, ...], ...] = (("explain", "wrong-port"), ("causes", "--json"), ("collect", "--script"))


@dataclass(frozen=True, slots=True)
class Invocation:
    """One way to ask: what comes before fixer's own words, its name for the target, where a bundle may go."""

    name: str
    before: tuple[str, ...]
    target: str
    out: str
    environment: Mapping[str, str] = field(default_factory=dict)
    script: tuple[str, ...] = ()     # what runs the collect script there


def read_entry(path: str) -> tuple[object, ...]:
    """One path: kind and mode, owner, size, when its bytes and its inode were last changed, attributes, digest.

    The kernel gives no file another content and keeps the time of its inode: such a one is not read again.
    """
    seen = os.lstat(path)
    content = os.readlink(path) if stat.S_ISLNK(seen.st_mode) else ""
    if stat.S_ISREG(seen.st_mode):
        key = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
        if key not in _DIGESTS:
            with open(path, "rb") as file:
                _DIGESTS[key] = hashlib.file_digest(file, "sha256").hexdigest()
        content = _DIGESTS[key]
    named = [] if stat.S_ISLNK(seen.st_mode) else os.listxattr(path)
    return (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_nlink, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns,
            tuple((name, os.getxattr(path, name)) for name in sorted(named)), content)


def read_entries_below(root: str, shown: str) -> dict[str, tuple[object, ...]]:
    """Everything below a folder, itself too; what went away meanwhile is not there."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(root):
        for path in [folder, *(f"{folder}/{name}" for name in [*names, *(n for n in folders if Path(folder, n).is_symlink())])]:
            with contextlib.suppress(FileNotFoundError):
                found[shown + path[len(root):]] = read_entry(path)
    return found


def inspect_containers(lab: Lab) -> list[dict[str, object]]:
    """All of a lab's, as Docker describes them."""
    names = labelled_ids("container", lab.id)
    return json.loads(docker("inspect", *names)) if names else []  # type: ignore[no-any-return]


def read_lab_state(lab: Lab, *, whole: bool = False) -> LabState:
    """All files of a lab and what Docker says of its containers; where they differ from their images, and what else it
    has of the lab, only if `whole`: that takes its time.
    """
    if whole:
        _DIGESTS.clear()
    found: dict[str, object] = dict(read_entries_below(str(lab.folder), "lab:"))
    for item in inspect_containers(lab):
        name, state = str(item["Name"]), item["State"]
        assert isinstance(state, dict)
        state.pop("Health", None)
        item["Mounts"] = sorted(item["Mounts"], key=str)       # Docker gives them in any order
        found[f"{name} is"] = json.dumps({key: item[key] for key in ("State", "RestartCount", "HostConfig", "Config", "Mounts")}, sort_keys=True)
        if state["Pid"]:
            root = f"/proc/{state['Pid']}/root/"
            for part in ROOTS:
                found |= read_entries_below(root + part, f"{name}:/{part}")
        for line in docker("diff", name.strip("/")).splitlines() if whole else ():
            found[f"{name} diff {line[2:]}"] = line[0]
    for kind in ("network", "volume") if whole else ():
        found[f"every {kind}"] = tuple(sorted(labelled_ids(kind, lab.id)))
    return found


def changed_names(old: LabState, new: LabState, alone: Collection[str] = ()) -> set[str]:
    """The names that changed; where services write themselves, what moves `alone`, and the files of a container that
    comes and goes, while it was not there, left out.
    """
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name) and not _SERVICE_FILES.search(name)}
    away = {name.removesuffix(" is") for name in alone if name.endswith(" is")}
    return {name for name in changed - set(alone) if None not in (old.get(name), new.get(name)) or name.partition(":/")[0] not in away}


_SERVICE_FILES = re.compile(r":/var/log(/|$)| diff (/var/log|/run|/var$|/var/lib$)(/|$)")


def change_text(old: object, new: object) -> str:
    return f"{str(old)[:300]} -> {str(new)[:300]}"


def copy_fixer_into(name: str) -> None:
    """fixer and what it needs at run time, readable by anybody there."""
    here, packages = Path(__file__).parents[2], Path(typer.__file__).parents[1]
    parts = [(here, "fixer"), *((packages, part) for part in ("typer", "annotated_doc", "shellingham"))]
    words = [word for root, part in parts for word in ("-C", str(root), part)]
    packed = subprocess.run(["tar", "-c", "--mode=a+rX", "--owner=0", "--exclude=__pycache__", *words], capture_output=True, check=True).stdout
    docker("exec", "-i", name, "sh", "-c", f"mkdir -p {FIXER_FOLDER}/out && chmod 1777 {FIXER_FOLDER}/out && tar -x -C {FIXER_FOLDER} && python3 -m compileall -q {FIXER_FOLDER}", data=packed)


def allow_ssh(name: str, folder: Path) -> dict[str, str]:
    """Real sshd there knows our key for root, for who may use sudo, and for who may not; our ssh's variables."""
    sshd_machines.make_key(folder)
    for user, home in (("root", "/root"), ("oncall", "/home/oncall"), (USER, f"/home/{USER}")):
        docker("exec", "-i", name, "sh", "-ec", f"mkdir -p {home}/.ssh; cat >{home}/.ssh/authorized_keys; chown -R {user}: {home}/.ssh; chmod 700 {home}/.ssh",
               data=(folder / "key.pub").read_bytes())
    docker("exec", name, "systemctl", "start", "ssh")
    address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", name).split()[0]
    key = " ".join(docker("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    (folder / "known").write_text(f"{address} {key}\n")
    (folder / "config").write_text(f"Host *\n IdentityFile {folder}/key\n IdentitiesOnly yes\n UserKnownHostsFile {folder}/known\n GlobalKnownHostsFile /dev/null\n")
    return {"BADGATEWAY_SSH": f"ssh -F {folder}/config", "address": address}


def docker_group_command() -> tuple[str, ...]:
    """What makes an ordinary user with Docker's group of root; nothing where that user could not run Python."""
    group = Path("/var/run/docker.sock").stat().st_gid
    words = ("setpriv", "--reuid=65534", "--regid=65534", f"--groups={group}")
    return words if subprocess.run([*words, sys.executable, "-c", "import fixer"], capture_output=True, check=False).returncode == 0 else ()


def invocations(lab: Lab, folder: Path) -> Iterator[Invocation]:
    """Every way to ask about a lab, as root and as an ordinary user."""
    here = (sys.executable, "-m", "fixer")
    own = {"HOME": str(folder / "home"), "BADGATEWAY_STATE": str(folder / "home/state"), "PYTHONDONTWRITEBYTECODE": "1"}
    ordinary, out = docker_group_command(), str(folder / "out/bundle")
    yield Invocation("outside as root", here, lab.target, out, own)
    if ordinary:
        yield Invocation("outside as one of the docker group", (*ordinary, *here), lab.target, out, own)
    if lab.stack == "containers":
        yield Invocation("its web server", here, f"docker://{lab.container()}", out, own)
        return
    name = lab.container()
    variables = ("-e", f"PYTHONPATH={FIXER_FOLDER}", "-e", "PYTHONDONTWRITEBYTECODE=1", "-w", "/")
    for user in ("root", USER):
        inside = ("docker", "exec", "-i", "-u", user, *variables, "-e", f"HOME={'/root' if user == 'root' else f'/home/{user}'}", name)
        yield Invocation(f"local as {user}", (*inside, "python3", "-m", "fixer"), "local", f"{FIXER_FOLDER}/out/{user}", script=(*inside, "sh", "-s", f"{FIXER_FOLDER}/out/{user}.script"))
    ssh = allow_ssh(name, folder)
    address = ssh.pop("address")
    for user in ("root", "oncall", USER):
        yield Invocation(f"ssh as {user}", here, f"ssh://{user}@{address}", out, {**own, **ssh})


@contextlib.contextmanager
def sshd_lab(word: str, stack: Stack, seed: int, noise: int = 0) -> Iterator[Lab]:
    """A lab whose machine also has sshd, sudo and users."""
    kept = images.ensure
    if stack == "host":
        tag = sshd_machines.build_image() + "-python"       # that image hides its python3; the lab's machine needs it
        docker("build", "-q", "-t", tag, "-", data=f"FROM {sshd_machines.build_image()}\nRUN ln -s python3.13 /usr/bin/python3\n".encode())
        images.ensure = lambda say, names=images.IMAGE_NAMES, nginx="": {**kept(say, names, nginx), "machine": tag}
    try:
        lab = lab_up(word, stack, seed, lambda _: None, noise=noise).lab
    finally:
        images.ensure = kept
    try:
        yield lab
    finally:
        lab_down(lab.id)


@dataclass(slots=True)
class WatchResult:
    """What was found on one lab: commands run, and for each that left something, what; and what moves by itself."""

    runs: int = 0
    paths: int = 0
    moving: set[str] = field(default_factory=set)
    leftovers: list[str] = field(default_factory=list)
    codes: dict[str, list[int]] = field(default_factory=dict)


def run_all_commands(lab: Lab, folder: Path, kept: Callable[[list[str]], Collection[str]] = lambda names: names) -> WatchResult:
    """Every command every way (of those, `kept` chooses by name), with a picture after each. What moves while nobody asks is no
    command's doing.
    """
    seen = WatchResult()
    (folder / "home").mkdir()
    (folder / "out").mkdir()
    (folder / "out").chmod(0o1777)
    folder.chmod(0o755)
    if lab.stack == "host":
        copy_fixer_into(lab.container())
    every = list(invocations(lab, folder))
    seen.moving = changes_without_commands(lab, 6.0)
    first = read_lab_state(lab, whole=True)
    before = read_lab_state(lab)
    seen.paths = len(before)
    asked = {f"{way.name}: {' '.join(words)}": (way, words) for way in every
             for words in (*COMMANDS, *(TARGETLESS_COMMANDS if "root" in way.name else ()))}
    chosen = set(kept(list(asked)))
    for name, (way, words) in asked.items():
        environment = {**os.environ, **way.environment}
        if name in chosen:
            said = [word.replace("{out}", f"{way.out}{seen.runs}").replace("{}", way.target) for word in words]
            done = subprocess.run([*way.before, *said], capture_output=True, check=False, stdin=subprocess.DEVNULL, env=environment, timeout=120)
            before = _record_run(lab, seen, before, f"{way.name}: {' '.join(said)}", done)
            if way.script and said == ["collect", "--script"]:
                ran = subprocess.run(way.script, input=done.stdout, capture_output=True, check=False, timeout=120)
                before = _record_run(lab, seen, before, f"{way.name}: the script", ran)
    last = read_lab_state(lab, whole=True)
    seen.leftovers += [f"all of them: {path}: {change_text(first.get(path), last.get(path))}" for path in sorted(changed_names(first, last, seen.moving))]
    seen.leftovers += [f"on the desk: {path}" for path in (folder / "home").rglob("*")]
    return seen


def changes_without_commands(lab: Lab, seconds: float) -> set[str]:
    """What changes while nothing is asked."""
    first, found = read_lab_state(lab), set[str]()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(1.0)
        found |= changed_names(first, read_lab_state(lab))
    return found


def _record_run(lab: Lab, seen: WatchResult, before: LabState, name: str, done: subprocess.CompletedProcess[bytes]) -> LabState:
    now = read_lab_state(lab)
    seen.runs += 1
    seen.codes.setdefault(name.partition(": ")[0], []).append(done.returncode)
    if done.returncode not in (0, 1, 3, 4) or b"Traceback" in done.stderr:
        seen.leftovers.append(f"{name}: exit {done.returncode} {done.stderr[-600:]!r}")
    seen.leftovers += [f"{name}: {path}: {change_text(before.get(path), now.get(path))}" for path in sorted(changed_names(before, now, seen.moving))]
    return now


def main(words: list[str]) -> None:
    os.environ.setdefault("BADGATEWAY_LAB_STATE", tempfile.mkdtemp())
    for word in words:
        case, stack, seed, noise, *_ = f"{word}:1:0".split(":")
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder, sshd_lab(case, stack, int(seed), int(noise)) as lab:  # type: ignore[arg-type]
            seen = run_all_commands(lab, Path(folder))
        print(f"{word}: {seen.runs} commands, {seen.paths} paths, {time.monotonic() - began:.0f} s, {len(seen.leftovers)} left something; "
              f"moving alone {sorted(seen.moving)}; codes { {way: ''.join(map(str, codes)) for way, codes in seen.codes.items()} }", *seen.leftovers, sep="\n  ", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
