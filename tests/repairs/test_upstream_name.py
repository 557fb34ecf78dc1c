"""Tests of fixer/repairs/upstream_name.py."""

from __future__ import annotations

import re

from fixer.model.facts import Known, Unknown
from fixer.model.plan import WriteFile
from tests.causes.dns_unresolved.dns_unresolved_builders import NOWHERE, found
from tests.causes.snapshot_builders import Scene, file, stopped_service


def test_an_upstream_that_is_called_nearly_so_is_named_and_may_be_chosen() -> None:
    scene = Scene("shop_pol").endpoint(**NOWHERE)
    text = 'nginx: [emerg] host not found in upstream "shop_pol" in /etc/nginx/sites-enabled/shop:3\n'
    scene.nginx |= {"master_pid": None, "worker_pids": (), "test": Known((1, text)),
                    "service": stopped_service("nginx.service", 80, is_app_server=False)}
    scene.probes[0] = Unknown("nginx does not run")
    scene.files.append(file("/etc/nginx/nginx.conf", "http {\nupstream other { server a; }\nupstream shop_pool { server b; }\n}\n"))
    need = found(scene).repairs[0].needs[0]
    assert need.why.endswith("; the upstream shop_pool is defined at /etc/nginx/nginx.conf:3")
    assert re.fullmatch(need.pattern, "shop_pool") and re.fullmatch(need.pattern, "10.0.0.1")
    assert not re.fullmatch(need.pattern, "other_pool")
    edit = found(scene, address="shop_pool").repairs[0].steps[0]
    assert isinstance(edit, WriteFile) and b"http://shop_pool;" in (edit.after or b"")
