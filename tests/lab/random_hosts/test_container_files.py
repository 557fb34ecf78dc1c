"""Tests of lab/random_hosts/container_files.py."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
from pathlib import Path

import docker
import pytest

from lab.random_hosts import container_files
from lab.random_hosts.container_files import changed_files, first_entry, is_counted
from lab.stack import docker_engine
from lab.stack.images import tags


def archive_of(name: str, kind: bytes, data: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mode, info.uid, info.gid = kind, len(data), 0o640, 33, 34
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_an_entry_is_that_of_a_folder_of_this_machine() -> None:
    """So that differences() compares both."""
    assert first_entry(archive_of("a", tarfile.REGTYPE, b"x")) == (
        stat.S_IFREG | 0o640, 33, 34, hashlib.sha256(b"x").hexdigest())
    assert first_entry(archive_of("a", tarfile.DIRTYPE)) == (stat.S_IFDIR | 0o640, 33, 34, "")


@pytest.mark.parametrize(("path", "counted"), [
    ("/etc/nginx/nginx.conf", True), ("/etc", False), ("/var/lib/x", False), ("/etc/hosts", False),
    ("/srv/app/__pycache__/a.pyc", False), ("/etcetera/x", False),
])
def test_what_docker_and_python_write_by_themselves_is_not_counted(path: str, counted: bool) -> None:
    assert is_counted(path, ("/etc", "/srv")) is counted


def test_only_changes_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Engine:
        api = property(lambda self: self)

        def diff(self, container: str) -> list[dict[str, object]]:
            return [{"Path": "/etc", "Kind": 0}, {"Path": "/etc/a", "Kind": 1}, {"Path": "/etc/b", "Kind": 2},
                    {"Path": "/run/c", "Kind": 1}]

        def get_archive(self, container: str, path: str) -> tuple[list[bytes], dict[str, str]]:
            assert path == "/etc/a"
            return [archive_of("a", tarfile.REGTYPE, b"x")], {}

    monkeypatch.setattr(container_files.docker_engine, "engine", Engine)
    monkeypatch.setattr(container_files.docker_engine, "inspect", lambda _: {"State": {"Status": "running"}})
    assert {path: entry[3][:7] for path, entry in changed_files("x", ("/etc",)).items()} == {
        "/etc/a": hashlib.sha256(b"x").hexdigest()[:7], "/etc/b": "deleted"}


@pytest.mark.docker
def test_looking_at_a_container_that_was_never_started_makes_nothing_in_it(tmp_path: Path) -> None:
    """The engine has made its working directory; an archive of that makes the places of all mounts."""
    settings = tmp_path / "settings.json"
    settings.write_text("{}")
    api = docker_engine.engine().api
    made = api.create_container(
        tags()["app"], user="nobody-of-this-image", working_dir="/opt/shop/current", labels={"badgateway.test": "layers"}, host_config=api.create_host_config(binds=[
            f"{tmp_path}:/opt/shop/current:ro", f"{settings}:/etc/shop/settings.json:ro"]))["Id"]
    try:
        with pytest.raises(docker.errors.APIError, match="unable to find user"):
            api.start(made)
        first = changed_files(made, ("/etc", "/opt"))
        assert {path.rpartition("/")[0] for path in first} == {"/opt", "/opt/shop"}
        assert changed_files(made, ("/etc", "/opt")) == first
    finally:
        api.remove_container(made, force=True)


SOME_CHANGES = """
echo x >>/etc/issue; rm /etc/debian_version; chmod 700 /opt; mkdir /srv/new; echo y >/srv/new/a; ln -s a /srv/new/b
rm -r /etc/skel; mkdir /etc/skel; touch -d @1000000 /etc/profile; chown 33 /etc/shells; cat /etc/fstab >/dev/null
cp -p /etc/environment /tmp/e; echo z >/etc/environment; cp -p /tmp/e /etc/environment; rm -r /usr/share/base-files
"""


@pytest.mark.docker
def test_the_layers_tell_what_the_engine_tells() -> None:
    api = docker_engine.engine().api
    made = api.create_container(tags()["app"], ["sh", "-c", SOME_CHANGES], user="0", labels={"badgateway.test": "layers"})["Id"]
    try:
        api.start(made)
        api.wait(made)
        told = {change["Path"]: change["Kind"] == container_files.DELETED for change in api.diff(made)}
        assert {"/etc/issue", "/etc/debian_version", "/srv/new/b", "/etc/profile", "/usr/share/base-files"} <= told.keys()
        data = docker_engine.inspect(made)["GraphDriver"]["Data"]
        with container_files._mounted_image(data["LowerDir"]) as image:
            assert image is not None
            assert dict(container_files.layer_changes(Path(data["UpperDir"]), image)) == told
        assert not image.exists()
    finally:
        api.remove_container(made, force=True)
