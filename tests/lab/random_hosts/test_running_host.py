"""Tests of lab/random_hosts/running_host.py that need no Docker; test_judged_host.py runs a host."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence

import pytest

from lab.errors import LabError
from lab.random_hosts import running_host
from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.host_spec import Foreign, HostFile
from lab.random_hosts.running_host import RunningHost, changed_foreign, tar_of_files
from lab.stack.docker_command import FinishedCommand


def test_files_are_packed_with_names_modes_and_owners_folders_first() -> None:
    spec = draw_host(1)
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


def test_a_script_is_not_on_the_command_line_where_its_own_pkill_would_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Sequence[str], bytes]] = []

    def execute(container: str, argv: Sequence[str], *, user: str, stdin: bytes, check: bool) -> FinishedCommand:
        asked.append((argv, stdin))
        return FinishedCommand(tuple(argv), 1, b"", b"first\nno such process\n")

    monkeypatch.setattr(running_host.docker_engine, "execute", execute)
    host = RunningHost(draw_host(1), "depot-1")
    with pytest.raises(LabError, match=r"pkill -f .* failed: no such process"):
        host.shell("pkill -f '{{module_pattern}}'\n")
    argv, stdin = asked[0]
    assert host.spec.values["module"][1:] not in " ".join(argv)
    assert stdin.decode() == f"set -e\npkill -f '{host.spec.values['module_pattern']}'\n"
