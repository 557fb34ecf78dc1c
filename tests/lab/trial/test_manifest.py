"""A manifest sees bytes, modes, owners and links, and tells two apart line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from lab.trial import walk
from lab.trial.manifest import differences, folder_manifest


def test_every_difference_is_told(tmp_path: Path) -> None:
    for name in ("kept", "edited", "gone", "opened"):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "link").symlink_to("kept")
    before = folder_manifest(tmp_path)
    (tmp_path / "edited").write_text("other")
    (tmp_path / "gone").unlink()
    (tmp_path / "opened").chmod(0o644)
    (tmp_path / "new").mkdir()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("edited")
    lines = [line.removeprefix(f"{tmp_path}/") for line in differences(before, folder_manifest(tmp_path))]
    assert lines == ["edited: other content", "gone: removed", "link: other content", "new: new",
                     "opened: mode 100600, now 100644"]


def test_nothing_changed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert differences(folder_manifest(tmp_path), folder_manifest(tmp_path)) == ()


def test_owner_counts() -> None:
    assert differences({"f": (0o100644, 0, 0, "d")}, {"f": (0o100644, 33, 0, "d")}) == ("f: owner 0:0, now 33:0",)


def test_the_walk_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "__pycache__").mkdir()
    run = subprocess.run([sys.executable, "-", str(tmp_path), "/not/there"], input=Path(walk.__file__).read_bytes(),
                         capture_output=True, check=True, env={"PATH": os.defpath})
    assert json.loads(run.stdout).keys() == {str(tmp_path), str(tmp_path / "a")}
