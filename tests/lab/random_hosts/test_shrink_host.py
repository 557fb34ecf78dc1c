"""Tests of lab/random_hosts/shrink_host.py with made-up judgements."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UnexpectedState
from lab.random_hosts.figures import HostResult
from lab.random_hosts.host_document import read_host, write_host
from lab.random_hosts.host_spec import HostSpec
from lab.random_hosts.shrink import extras_of, reduced
from lab.random_hosts.shrink_host import shrink_host
from tests.lab.random_hosts.builders import drawn_hosts, fault, look, repaired, result

PORT = fault("port", "wrong-port")


@pytest.mark.parametrize("needed", [(), ("server",), ("route", "front"), ("faults",), ("faults", "route")])
def test_only_what_the_failure_needs_is_left(tmp_path: Path, needed: tuple[str, ...]) -> None:
    """The solver is wrong on hosts with these choices; on others it is wrong in another way, which does not count."""
    axes = {"server", "route", "front"}
    spec = next(host for host in drawn_hosts()
                if len(host.faults) > 1 and axes <= {extra.partition("=")[0] for extra in extras_of(host)}
                and reduced(host, [f"fault {one.name}" for one in host.faults], ""))     # no fault needs a part of its own
    wrong = {f"{axis}={spec.choices[axis]}" for axis in needed if axis != "faults"}
    wrong |= {f"fault {spec.faults[-1].name}"} if "faults" in needed else set()

    def judge(host: HostSpec, folder: Path) -> HostResult:
        folder.mkdir()
        write_host(folder / "host.json", host)
        said = "nginx-down" if wrong <= set(extras_of(host)) else "timeout-too-short"
        return result(host.seed, [PORT], repaired(look(said)))

    said: list[str] = []
    with pytest.raises(UnexpectedState) as caught:
        shrink_host(spec, judge, tmp_path, said.append)
    left = read_host(tmp_path / "host.json")
    assert set(extras_of(left)) - wrong <= {f"fault {one.name}" for one in spec.faults}
    assert wrong <= set(extras_of(left))
    assert len(left.faults) == 1
    assert f"--spec {tmp_path / 'host.json'} --keep" in caught.value.hint
    assert "(nothing more could be left out)" in said[-2]
    assert all(set(extras_of(read_host(path))) >= wrong for path in tmp_path.glob("try-*/host.json"))
