"""What a failed command said, as one line."""

import pytest

from fixer.apply.steps.node_access import error_text
from fixer.model.host import CommandResult


@pytest.mark.parametrize(("said", "told"), [
    (b"Error: No such file or directory\nlist chain inet f input\n                ^\n", "Error: No such file or directory"),
    (b"Warning: old\nJob for a.service failed.\n", "Job for a.service failed."),
    (b"^^^\n", "^^^"),
    (b"Error response from daemon: port is already allocated\nError: failed to start containers: a\n",
     "Error response from daemon: port is already allocated"),
    (b"Error: failed to start containers: a\n", "Error: failed to start containers: a"),
    (b"", "nft exited with code 1"),
])
def test_the_line_that_says_it_is_told(said: bytes, told: str) -> None:
    assert error_text(CommandResult(("nft", "list"), 1, b"", said)) == told
