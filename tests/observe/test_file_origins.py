"""Which line of a start script writes a file of nginx, and of what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.observe.file_origins import origins_of
from fixer.observe.generated_files import called_scripts
from tests.observe.generated_files_builders import Project, repair_of

MADE = "/etc/nginx/conf.d/shop.conf"


@pytest.mark.parametrize(("line", "template"), [
    ("envsubst '$A' < /opt/shop.conf.tpl > /etc/nginx/conf.d/shop.conf", "/opt/shop.conf.tpl"),
    ("sed -i \"s/__PORT__/$PORT/\" /etc/nginx/conf.d/shop.conf", ""),
    ("sed -e s/a/b/ /opt/shop.template.conf | tee /etc/nginx/conf.d/shop.conf", "/opt/shop.template.conf"),
    ('conf.jinja("/conf/shop.conf", environ, "/etc/nginx/conf.d/shop.conf")', "/conf/shop.conf"),
    ("cp /opt/site.conf.dist /etc/nginx/conf.d/shop.conf", "/opt/site.conf.dist"),
    ("eval \"echo \\\"$(cat /opt/shop.template)\\\"\" > /etc/nginx/conf.d/shop.conf", "/opt/shop.template"),
])
def test_a_line_that_writes_it(line: str, template: str) -> None:
    (found,) = origins_of([MADE], {"/start.sh": f"#!/bin/sh\n# > {MADE}\n{line}\n"}, "web")
    assert (found.script, found.line, found.template) == ("/start.sh", 3, template)


@pytest.mark.parametrize("line", [
    "nginx -t -c /etc/nginx/conf.d/shop.conf", "test -f /etc/nginx/conf.d/shop.conf", "sed -i s/a/b/ /etc/nginx/conf.d/shop.conf.old",
    "# envsubst < /opt/shop.tpl > /etc/nginx/conf.d/shop.conf",
])
def test_a_line_that_does_not(line: str) -> None:
    assert list(origins_of([MADE], {"/start.sh": line}, "web")) == []


def test_the_scripts_that_a_script_runs() -> None:
    assert called_scripts("/start.sh", ". /utils.sh; python3 /config.py && exec /start.sh nginx /etc/nginx.conf") == ("/utils.sh", "/config.py")


def test_where_no_edit_lasts_a_person_is_told_what_makes_the_file() -> None:
    script = "eval \"echo \\\"$(cat /opt/shop.template)\\\"\" > /etc/nginx/conf.d/shop.conf\nexec nginx\n"
    seen = replace(Project(), ending=".off", script=script, mounts=())
    repair = repair_of(seen)
    assert repair.risk == "manual" and "/start.sh:1 of /opt/shop.template: change that file" in repair.manual
