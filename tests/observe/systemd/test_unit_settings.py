"""Settings of unit files that causes need: which lines are in force, and whether the paths that they name exist."""

from __future__ import annotations

from fixer.model.snapshot import Unit
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, file, node
from tests.observe.nginx.endpoints_builders import SHOW

PATH = "/etc/systemd/system/shop.service"
SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"


def settings(text: str) -> list[tuple[str, str, str]]:
    shown = SHOW.format("shop.service", "inactive", 0).rstrip() + f"\nFragmentPath={PATH}\n"
    made = f"{text}\n[Service]\nExecStart=/usr/bin/uvicorn shop:app --port 8000\n"
    seen = build_snapshot(capture(node({}, site=SITE, show=shown, units=[file(PATH, made)])))
    shop = next(s for s in seen.services if s.name == "shop.service")
    assert isinstance(shop.unit, Unit)
    return [(one.key, one.value, one.source.where) for one in shop.settings]


def test_an_empty_condition_resets_those_of_every_kind() -> None:
    text = "[Unit]\nConditionPathExists=/a\nConditionHost=x\nConditionPathIsDirectory=\nConditionPathExists=!/b\n"
    assert settings(text) == [("ConditionPathExists", "!/b", f"{PATH}:5")]


def test_the_last_line_of_a_scalar_counts() -> None:
    assert settings("[Service]\nMemoryMax=1G\nMemoryMax=2G\nNice=5\n") == [("MemoryMax", "2G", f"{PATH}:3")]


def test_an_empty_line_of_a_list_resets_its_own_key_alone() -> None:
    text = "[Service]\nSystemCallFilter=@system-service\nIPAddressDeny=any\nSystemCallFilter=\nSystemCallFilter=~@mount\n"
    assert settings(text) == [("IPAddressDeny", "any", f"{PATH}:3"), ("SystemCallFilter", "~@mount", f"{PATH}:5")]


def test_each_target_of_the_installation_is_a_setting_and_a_path_is_none() -> None:
    found = settings("[Install]\nWantedBy=multi-user.target a.target ../x\n")
    assert found == [("WantedBy", "multi-user.target", f"{PATH}:2"), ("WantedBy", "a.target", f"{PATH}:2")]


def test_keys_of_another_section_are_no_settings() -> None:
    assert settings("[Unit]\nMemoryMax=1G\nWantedBy=a.target\n[Install]\nConditionPathExists=/a\n") == []
