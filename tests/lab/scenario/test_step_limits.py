"""Tests of lab/scenario/step_limits.py."""

from __future__ import annotations

from typing import Any

import pytest

from lab.scenario.step_limits import link_problem, path_problem, step_problem

ID = "shop-3f2a"
RUN = ["run", "--rm", "--label", f"badgateway.lab={ID}"]


@pytest.mark.parametrize(("path", "allowed"), [
    ("web/conf.d/site.conf", True), ("compose.yaml", True), ("a..b/c", True), ("/etc/nginx/nginx.conf", True),
    ("../x", False), ("web/../../x", False), ("web/..", False), (".", False), ("", False), ("web//..//x", False), ("a\0b", False),
])
def test_a_path_of_the_folder_or_of_a_container(path: str, allowed: bool) -> None:
    assert (path_problem(path) == "") is allowed


@pytest.mark.parametrize(("path", "target", "allowed"), [
    ("web/conf.d/a", "../sites/a", True), ("now", "releases", True), ("/etc/a", "/etc/b", True), ("/etc/a", "../../b", True),
    ("a", "/etc", False), ("a", "../b", False), ("web/a", "../../b", False), ("web/a", "x/../../../b", False), ("../a", "b", False),
])
def test_a_link_of_the_folder_leads_to_a_path_of_it(path: str, target: str, allowed: bool) -> None:
    assert (link_problem(path, target) == "") is allowed


@pytest.mark.parametrize("step", [
    {"write": "web/a", "text": "x"}, {"remove": "/etc/a"}, {"edit": "compose.yaml", "old": "a", "new": "b"},
    {"compose": ["up", "-d", "--no-deps", "web"]}, {"compose": ["down", "-t", "5"]},
    {"docker": ["stop", f"{ID}-db-1"]}, {"docker": ["restart", "-t", "3", f"{ID}-web-1"]},
    {"docker": ["kill", "--signal=KILL", f"{ID}-web-1"]}, {"docker": ["exec", f"{ID}-web-1", "rm", "-rf", "/x"]},
    {"docker": ["network", "disconnect", f"{ID}_inside", f"{ID}-web-1"]},
    {"docker": [*RUN, "--network", f"container:{ID}-web-1", "--cap-add", "NET_ADMIN", "--entrypoint", "sh", "image", "-v", "/:/h"]},
    {"docker": [*RUN, f"--name={ID}-x", "--memory", "64m", "-d", "image"]}, {"reload": True},
])
def test_what_concerns_the_lab_alone(step: dict[str, Any]) -> None:
    assert step_problem(step, ID) == ""


@pytest.mark.parametrize(("step", "words"), [
    ({"write": "../../../x", "text": "x"}, "write: '../../../x' leaves the lab's folder"),
    ({"remove": "../x"}, "remove: '../x' leaves"), ({"edit": "a/../../b"}, "edit: "), ({"link": "../x", "to": "/etc"}, "link: "),
    ({"link": "x", "to": "/etc"}, "to: '/etc' leads out"),
    ({"compose": ["-f", "/x", "up"]}, "compose: '-f' is none of"), ({"compose": ["cp", "web:/x", "/y"]}, "compose: 'cp'"),
    ({"compose": ["config", "-o", "/x"]}, "'config'"), ({"compose": ["run", "-v", "/:/h", "web"]}, "'run'"), ({"compose": []}, "'' is none"),
    ({"docker": ["cp", f"{ID}-web-1:/x", "/y"]}, "docker: 'cp"), ({"docker": ["-H", "tcp://x", "ps"]}, "'-H"),
    ({"docker": ["stop", "other"]}, "'other' is not of this lab"), ({"docker": ["rm", "-f"]}, "names no container"),
    ({"docker": ["exec", "-u", "0", "other", f"{ID}-web-1"]}, "'other'"),
    ({"docker": ["network", "connect", f"{ID}_inside", "other"]}, "'other'"),
    ({"docker": ["run", "--rm", "image"]}, "needs --label badgateway.lab=shop-3f2a"),
    ({"docker": [*RUN, "-v", "/:/h", "image"]}, "-v is not allowed"), ({"docker": [*RUN, "--volume=/:/h", "image"]}, "--volume is"),
    ({"docker": [*RUN, "--mount", "type=bind,src=/,dst=/h", "image"]}, "--mount"), ({"docker": [*RUN, "--privileged", "image"]}, "--privileged"),
    ({"docker": [*RUN, "--cidfile", "/x", "image"]}, "--cidfile"), ({"docker": [*RUN, "--pid=host", "image"]}, "--pid"),
    ({"docker": [*RUN, "--cap-add", "SYS_ADMIN", "image"]}, "SYS_ADMIN"), ({"docker": [*RUN, "--cap-add=ALL", "image"]}, "ALL"),
    ({"docker": [*RUN, "--network", "host", "image"]}, "'host' is not of this lab"), ({"docker": [*RUN, "--network=container:x", "image"]}, "'x'"),
    ({"docker": [*RUN, "--name", "x", "image"]}, "'x' is not"), ({"docker": [*RUN, "-dv", "/:/h", "image"]}, "-dv is not allowed"),
    ({"docker": RUN}, "names no image"),
])
def test_what_goes_beyond_it(step: dict[str, Any], words: str) -> None:
    assert words in step_problem(step, ID)
