"""The Ansible collection: built with fixer.pyz in it, installed as users install it, documented as Ansible wants it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import fixer

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MODULES = ("diagnose", "repair", "undo", "collect")
PYZ = b"#!/bin/sh\nexit 0\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections with this one in it; any file stands for fixer.pyz."""
    folder = tmp_path_factory.mktemp("collection")
    (folder / "fixer.pyz").write_bytes(PYZ)
    subprocess.run([sys.executable, ROOT / "script/make_collection.py", folder / "fixer.pyz", folder], check=True, stdout=subprocess.DEVNULL)
    (made,) = folder.glob("*.tar.gz")
    assert made.name == f"badgateway-fixer-{fixer.__version__}.tar.gz"
    ansible(folder, "ansible-galaxy", "collection", "install", "--offline", "-p", str(folder), str(made))
    return folder


def ansible(folder: Path, *words: str) -> str:
    """A command of ansible-core that knows only that folder."""
    done = subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, check=False, env={
        "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "ANSIBLE_COLLECTIONS_PATH": str(folder), "LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": str(folder)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_the_file_its_checksum_and_the_license(installed: Path) -> None:
    root = installed / "ansible_collections/badgateway/fixer"
    assert (root / "files/fixer.pyz").read_bytes() == PYZ and os.access(root / "files/fixer.pyz", os.X_OK)
    assert (root / "files/fixer.pyz.digest").read_text().split()[1] == str(len(PYZ))
    assert (root / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes() and not (root / "LICENSE").is_symlink()
    assert not list(root.rglob("__pycache__")) and not list(root.rglob("*.pyc"))
    assert yaml.safe_load((root / "meta/runtime.yml").read_text())["action_groups"]["fixer"] == list(MODULES)


def test_each_module_has_its_documentation(installed: Path) -> None:
    told = json.loads(ansible(installed, "ansible-doc", "--json", *(f"badgateway.fixer.{name}" for name in MODULES)))
    from ansible_collections.badgateway.fixer.plugins.action import collect, diagnose, repair, undo
    from ansible_collections.badgateway.fixer.plugins.plugin_utils.fixer_action import TARGET_SPEC

    for action in (diagnose, repair, undo, collect):
        page = told[f"badgateway.fixer.{action.__name__.rpartition('.')[2]}"]
        spec = {**TARGET_SPEC, **action.ActionModule.spec}
        options = page["doc"]["options"]
        assert set(options) == set(spec)
        for name, option in spec.items():
            assert options[name]["type"] == option["type"], name
            assert options[name].get("default") == option.get("default") and options[name].get("choices") == option.get("choices"), name
            assert bool(options[name].get("required")) == bool(option.get("required")), name
        tasks = yaml.safe_load(page["examples"])
        assert tasks and all(any(key.startswith("badgateway.fixer.") or "assert" in key for key in task) for task in tasks)
        for task in tasks:
            for key, arguments in task.items():
                if key == page["doc"]["plugin_name"]:
                    assert set(arguments or {}) <= set(spec)
        assert page["return"]
    assert repair.ActionModule.spec["inputs"]["no_log"] is True


def test_the_callback_has_its_documentation(installed: Path) -> None:
    page = json.loads(ansible(installed, "ansible-doc", "-t", "callback", "--json", "badgateway.fixer.report"))
    assert set(page["badgateway.fixer.report"]["doc"]["options"]) == {"report_file", "show"}


@pytest.mark.parametrize("playbook", ["diagnose", "rolling_repair", "rolling_undo"])
def test_each_playbook_is_one(installed: Path, playbook: str) -> None:
    (installed / "hosts").write_text("web-1\nweb-2\n")
    shown = ansible(installed, "ansible-playbook", f"badgateway.fixer.{playbook}", "-i", str(installed / "hosts"), "--syntax-check")
    assert shown.strip().endswith(f"fixer/playbooks/{playbook}.yml")


def test_no_module_name_of_the_collection_is_missing_in_the_page() -> None:
    page = (ROOT / "integrations/ansible/README.md").read_text(encoding="utf-8")
    assert [name for name in MODULES if f"`badgateway.fixer.{name}`" not in page] == []
