"""Notes about an application's own 5xx: its log may say why."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from tests.causes.snapshot_builders import Scene, listener, log_lines, probe, service


@pytest.mark.parametrize(("lines", "ago", "said"), [
    (("Traceback (most recent call last):", '  File "/srv/shop/views.py", line 4, in page', "ValueError: no such cart"), 30.0,
     ". backend.service has logged: ValueError: no such cart"),
    (("Traceback (most recent call last):", '  File "/srv/shop/views.py", line 4, in page', "ValueError: no such cart"), 90.0, ""),
    (("GET / 500",), 30.0, ""),
])
def test_what_the_application_logged_stands_beside_its_own_500(lines: tuple[str, ...], ago: float, said: str) -> None:
    scene = Scene().with_service(service(log=log_lines(*lines, ago=ago)), listener(8000, 200)).answers(probe(500))
    seen = diagnose(scene.endpoint(http=Known(probe(500))).snapshot())
    [note] = [note for note in seen.notes if "the application itself" in note]
    assert seen.verdict == "healthy" and note.endswith(f"in front of it, not by this nginx{said}")
