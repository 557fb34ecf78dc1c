"""What an undo cannot bring back, and says so: the network of a container that is gone."""

import pytest

from fixer.apply.rollback import _discards_memory
from fixer.model.plan import ComposeUp


@pytest.mark.parametrize(("network", "was", "gone"), [
    ("container:abc", "running", True), ("container:abc", "exited", False), ("", "running", False),
])
def test_a_container_made_anew_in_another_network_than_it_was_alone_in(network: str, was: str, gone: bool) -> None:
    step = ComposeUp("p", "web", "/srv", ("/srv/compose.yaml",), (), "abc", was, network)
    assert _discards_memory(step) is gone
