"""What a container's own words say of its network."""

from __future__ import annotations

import pytest

from tests.causes.snapshot_builders import container


@pytest.mark.parametrize(("mode", "lender", "is_guest"), [
    ("container:4f2a", "4f2a", True), ("host", "", True), ("shop_default", "", False), ("", "", False),
    ("hosting_default", "", False),      # a project may be called so: it was taken for the network of the Docker host
])
def test_whose_network_it_has(mode: str, lender: str, is_guest: bool) -> None:
    box = container("app", network_mode=mode)
    assert (box.lender, box.has_shared_network) == (lender, is_guest)
