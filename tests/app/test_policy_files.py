"""Who may say what the rules are: a policy file that others can change is none, and forbids everything."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer.app import policy_files
from fixer.errors import NeedsPerson
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.diagnosis import Finding, Repair
from fixer.model.plan import UnitAction
from fixer.policy import parse_rules

TEXT = b'max_risk = "safe"\n'


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "badgateway" / "policy.toml"
    path.parent.mkdir(mode=0o755)
    path.write_bytes(TEXT)
    path.chmod(0o644)
    monkeypatch.setattr(policy_files, "POLICY", str(path))
    return path


def read() -> tuple[object, ...]:
    return policy_files.read_policies(open_target(parse_target("local")))


def test_roots_own_is_taken_with_the_mark_that_editors_put_before_it(policy: Path) -> None:
    policy.write_bytes(b"\xef\xbb\xbf" + TEXT)
    assert len(read()) == 1
    policy.chmod(0o664)
    os.chown(policy, -1, 0) if os.geteuid() == 0 else policy.chmod(0o644)
    assert len(read()) == 1      # root's own group is root


def into_link(policy: Path) -> None:
    policy.rename(policy.with_name("elsewhere"))
    policy.symlink_to("elsewhere")


def into_nothing(policy: Path) -> None:
    policy.unlink()
    policy.symlink_to("nowhere")


@pytest.mark.parametrize("change", [
    lambda path: path.chmod(0o646), lambda path: path.parent.chmod(0o777), into_link, into_nothing,
])
def test_what_others_can_change_forbids(policy: Path, change: Callable[[Path], None]) -> None:
    change(policy)
    with pytest.raises(NeedsPerson, match=r"is a link|users other than root can change it"):
        read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("change", [lambda path: os.chown(path, 12345, -1), lambda path: os.chown(path.parent, 12345, -1)])
def test_somebody_elses_forbids(policy: Path, change: Callable[[Path], None]) -> None:
    change(policy)
    with pytest.raises(NeedsPerson, match="belongs to uid 12345"):
        read()


def test_every_service_that_is_acted_on_needs_leave() -> None:
    rules = (parse_rules(b'services = ["!shop-db*"]', "policy.toml"),)
    steps = tuple(UnitAction("local", unit, "restart", "active", "enabled") for unit in ("shop.service", "shop-db.service"))
    finding = Finding("c", None, "root", "certain", "s", (), ("r1",), "shop.service", "local", (), ())
    why = policy_files.policy_check(rules)
    assert "no repair of shop-db.service" in why(finding, Repair("r", "disruptive", "s", steps))
    assert not why(finding, Repair("r", "disruptive", "s", steps[:1]))
