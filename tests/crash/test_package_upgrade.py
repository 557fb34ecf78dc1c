"""A package that owns the repaired file is upgraded between the repair and its undo, by the real dpkg on a real machine.

dpkg replaces the file, or keeps it and lays the new one beside it. The first is somebody else's change: undo keeps it and
says so. The second leaves the file as the repair left it: undo takes it back to the byte, and leaves what dpkg laid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crash.broken_targets import BrokenTarget
from tests.crash.test_sigkill import raised

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

# Every site of the machine as configuration file of one package: version 1 as they are, version 2 with a line more.
PACKAGES = r"""
set -e
for version in 1 2; do
  tree=/var/tmp/sites-$version
  for file in $(find /etc/nginx -type f); do
    dpkg -S "$file" >/dev/null 2>&1 && continue
    mkdir -p "$tree$(dirname "$file")"
    cp -p "$file" "$tree$file"
    [ $version = 1 ] || echo '# of the second version' >>"$tree$file"
  done
  mkdir "$tree/DEBIAN"
  (cd $tree && find etc -type f | sed 's|^|/|') >$tree/DEBIAN/conffiles
  printf 'Package: shop-sites\nVersion: %s\nArchitecture: all\nMaintainer: shop <shop@localhost>\nDescription: sites\n' \
    $version >$tree/DEBIAN/control
  dpkg-deb --root-owner-group --build $tree $tree.deb
done
dpkg -i /var/tmp/sites-1.deb
cat /var/tmp/sites-1/DEBIAN/conffiles
"""
DIGESTS = "sha256sum {files}; stat -c '%n %a %u:%g' {files}"


def fixer(place: BrokenTarget, state: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([sys.executable, "-m", "fixer", *words, place.target, "--json"], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, "BADGATEWAY_STATE": str(state)})
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("choice", ["confnew", "confold"])
def test_an_upgrade_between_repair_and_undo(choice: str, tmp_path: Path) -> None:
    with raised("wrong-port/wrong-port", "host") as place:
        files = [line for line in place.run_script(PACKAGES).splitlines() if line.startswith("/etc/nginx/")]
        look = DIGESTS.format(files=" ".join(files))
        broken = place.run_script(look)
        code, _ = fixer(place, tmp_path, "repair", "--yes", "--max-risk", "disruptive")
        repaired = place.run_script(look)
        changed = [path for path in files if place.run_script(f"cmp -s {path} /var/tmp/sites-1{path} || echo changed")]
        assert code == 0 and len(changed) == 1 and repaired != broken
        place.run_script(f"DEBIAN_FRONTEND=noninteractive dpkg -i --force-{choice} /var/tmp/sites-2.deb")
        upgraded = place.run_script(f"sha256sum {changed[0]}")
        code, said = fixer(place, tmp_path, "undo")
        if choice == "confnew":
            assert code == 1 and any(changed[0] in line for line in said["conflicts"]), said
            assert place.run_script(f"sha256sum {changed[0]}") == upgraded
            assert place.run_script(f"grep -c '^# of the second version$' {changed[0]}").strip() == "1"
        else:
            assert code == 0 and said["conflicts"] == [], said
            assert place.run_script(f"cmp {changed[0]} /var/tmp/sites-1{changed[0]}") == ""
            assert place.run_script(f"stat -c '%n %a %u:%g' {changed[0]}").strip() in broken
            assert place.run_script(f"cmp {changed[0]}.dpkg-dist /var/tmp/sites-2{changed[0]}") == ""
