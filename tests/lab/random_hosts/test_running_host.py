"""Tests of lab/random_hosts/running_host.py that need no Docker; test_judged_host.py runs a host."""

from __future__ import annotations

import io
import tarfile

import pytest

from lab.random_hosts import running_host
from lab.random_hosts.host_spec import Foreign, HostFile
from lab.random_hosts.running_host import changed_foreign, tar_of_files
from lab.random_hosts.running_machine import RunningMachine
from tests.lab.random_hosts.builders import host_of_kind


def test_files_are_packed_with_names_modes_and_owners_folders_first() -> None:
    spec = host_of_kind("machine")
    files = [HostFile("/srv/{{word}}/app.py", "x = {{port}}\n", mode=0o640, owner="{{account}}"),
             HostFile("/etc/on", link="/srv/{{word}}"), HostFile("/srv/{{word}}", mode=0o755)]
    with tarfile.open(fileobj=io.BytesIO(tar_of_files(spec, files, 1000.0))) as tar:
        folder, link, file = tar.getmembers()
        taken = tar.extractfile(file)
        assert taken is not None
        assert taken.read().decode() == f"x = {spec.values['port']}\n"
    word, account = spec.values["word"], spec.values["account"]
    assert (folder.name, folder.isdir()) == (f"srv/{word}", True)
    assert (link.name, link.linkname) == ("etc/on", f"/srv/{word}")
    assert (file.name, file.mode, file.uname, file.mtime) == (f"srv/{word}/app.py", 0o640, account, 1000)


def test_only_changes_of_somebody_elses_files_count_as_foreign() -> None:
    changes = ("/etc/a.conf: other content", "/etc/b.conf: mode 644, now 600")
    assert changed_foreign(Foreign(files=("/etc/b.conf",)), changes) == ["/etc/b.conf: mode 644, now 600"]


@pytest.mark.parametrize(("used", "rests"), [([5.0], True), ([1.0, 2.0, 3.0, 3.0], True), ([1.0, 2.0, 0.0, 1.0], False)])
def test_a_host_settles_when_its_processor_rests(
    monkeypatch: pytest.MonkeyPatch, used: list[float], rests: bool,
) -> None:
    """The third is a container that starts again and again: its time begins anew."""
    now, asked = [0.0], iter(used if rests else used * 30)

    def processor_seconds(self: RunningMachine) -> float:
        return next(asked, used[-1])

    monkeypatch.setattr(RunningMachine, "processor_seconds", processor_seconds)
    monkeypatch.setattr(running_host.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(running_host.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert RunningMachine(host_of_kind("machine"), "depot-1").settle() is rests
    assert now[0] <= running_host.START_SECONDS + running_host.REST_SECONDS
