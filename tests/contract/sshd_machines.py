"""Machines with a real sshd, and an ssh configuration that knows them: everything in one folder, nothing in ~/.ssh."""

from __future__ import annotations

import hashlib
import subprocess
import time
import uuid
from pathlib import Path

from lab.stack import images
from tests.contract.container_shell import run_inside, succeeds_inside

LABEL = "badgateway.test=contract"
FOLDER = Path(__file__).parent / "sshd"
# What systemd as process 1 needs of its container: as the lab's machines have it, without --privileged.
SYSTEMD_OPTIONS = ("--cgroupns", "host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "--tmpfs", "/run:exec,mode=755",
          "--tmpfs", "/run/lock:mode=1777", "--tmpfs", "/tmp:exec,mode=1777")


def docker(*words: str, data: bytes = b"") -> str:
    """One docker call that must succeed."""
    done = subprocess.run(["docker", *words], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def build_image() -> str:
    """The tag of the image with sshd, built where it is missing."""
    base = images.ensure(lambda line: None)["machine"]
    digest = hashlib.sha256(base.encode() + (FOLDER / "Dockerfile").read_bytes()).hexdigest()[:12]
    tag = f"badgateway/test-sshd:{digest}"
    if not docker("images", "-q", tag):
        docker("build", "-q", "--build-arg", f"BASE={base}", "-t", tag, str(FOLDER))
    return tag


class SshdMachine:
    """One machine: systemd, sshd, nginx; `ssh` is the command that reaches it by its name in the configuration."""

    def __init__(self, name: str, folder: Path, *words: str) -> None:
        self.name = name
        self.folder = folder
        docker("run", "-d", "--label", LABEL, "--name", name, *SYSTEMD_OPTIONS, *words, build_image())
        for user in ("root", "oncall", "strange", "visitor"):
            home = "/root" if user == "root" else f"/home/{user}"
            script = f"mkdir -p {home}/.ssh && cat > {home}/.ssh/authorized_keys && chown -R {user}: {home}/.ssh && chmod 700 {home}/.ssh"
            run_inside(name, script, data=(folder / "key.pub").read_bytes())
        self.wait("systemctl is-active ssh")

    @property
    def address(self) -> str:
        """Its address on the first network that it is in."""
        return docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", self.name).split()[0]

    @property
    def host_key(self) -> str:
        """Its key, as known_hosts has it behind a name."""
        return " ".join(self.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])

    def sh(self, script: str) -> str:
        """Run a script in it as root."""
        return run_inside(self.name, script, shell="bash -ec")

    def wait(self, script: str, seconds: float = 60.0) -> None:
        """Until the script succeeds."""
        deadline = time.monotonic() + seconds
        while not succeeds_inside(self.name, script, shell="bash -ec"):
            assert time.monotonic() < deadline, script
            time.sleep(0.2)

    def remove(self) -> None:
        """Take it away."""
        subprocess.run(["docker", "rm", "-f", "-v", self.name], capture_output=True, check=False)


def make_key(folder: Path) -> None:
    """A key pair `key`."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)


def unique_name(word: str) -> str:
    """A name of our own."""
    return f"t{uuid.uuid4().hex[:8]}{word}"
