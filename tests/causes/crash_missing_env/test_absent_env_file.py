"""crash-missing-env / start-envfile-missing of a compose service without a container: a file named by env_file is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ABSENT, ComposeUp, WriteFile
from fixer.model.snapshot import Compose, MissingEnvFile, UncreatedService
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import SLOW, Scene, file, finding_of, roots, stat

CAUSE, PATH = "crash-missing-env", "/srv/shop/app.env"
GONE = UncreatedService("app", ("app",), Evidence("file", "/srv/shop/compose.yaml:7", "service app"))
LACKS = MissingEnvFile("app", Evidence("file", "/srv/shop/compose.yaml:9", "env_file: app.env"), PATH)


def scene(*lacked: MissingEnvFile, files: dict[str, str] | None = None, **changes: Any) -> Scene:
    made = Scene("app:8000", node="web", back="web").answers(SLOW)
    made.endpoint(node=None, listener=Unknown("nowhere"), tcp=Unknown("not asked"), http=Unknown("not asked"), configured_service=None,
                  listening_service=None, addresses=Known(()))
    project = Compose("p", "/srv/shop", ("/srv/shop/compose.yaml",), (), (), Known(True), (GONE,), missing_env_files=lacked)
    made.extra = {"compose": replace(project, **changes), "target": TargetRef("compose", "p")}
    made.files += [file(path, text, node="engine", stat=stat(mode=0o100640, uid=7)) for path, text in (files or {}).items()]
    return made


def found(made: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(made.snapshot(), {key.replace("_", "-"): value for key, value in inputs.items()}), CAUSE)


def test_hit_the_file_is_named_and_the_missing_container_follows_from_it() -> None:
    diagnosis = diagnose(scene(LACKS).snapshot())
    assert roots(diagnosis) == [CAUSE] and finding_of(diagnosis, "backend-down").role == "consequence"
    told = finding_of(diagnosis, CAUSE)
    assert (told.variant, told.service, told.confidence) == ("start-envfile-missing", "app", "certain") and PATH in told.summary
    (repair,) = told.repairs
    assert repair.risk == "manual" and "/srv/shop/compose.yaml:9" in repair.manual and f"put {PATH} back" in repair.manual


BESIDE = replace(LACKS, copies=(f"{PATH}.bak", f"{PATH}.example"))
FILES = {f"{PATH}.bak": "KEY=old\n", f"{PATH}.example": "KEY=change-me\n"}


def test_what_lies_beside_it_is_a_choice_and_never_taken_by_itself() -> None:
    repair, by_hand = found(scene(BESIDE, files=FILES)).repairs
    (need,) = repair.needs
    assert (need.key, need.kind, need.choices, need.default) == ("restore-from", "choice", BESIDE.copies, None)
    assert "an example, whose values may be placeholders" in need.why and not repair.steps and by_hand.risk == "manual"
    write, up = found(scene(BESIDE, files=FILES), restore_from=f"{PATH}.bak").repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(up, ComposeUp)
    assert (write.path, write.before, write.after, up.service, up.was) == (PATH, None, b"KEY=old\n", "app", ABSENT)
    assert write.meta is not None and (write.meta.mode, write.meta.uid) == (0o640, 7) and write.mask == (b"KEY=old",)
    assert not found(scene(BESIDE, files=FILES), restore_from="/etc/passwd").repairs[0].steps


def test_compose_that_complains_of_the_very_file_is_no_obstacle() -> None:
    said = Unknown(f"docker compose does not take them: env file {PATH} not found")
    assert found(scene(BESIDE, files=FILES, editable=said), restore_from=f"{PATH}.bak").repairs[0].steps
    other = scene(BESIDE, files=FILES, editable=Unknown("/srv/shop/compose.yaml: denied"))
    assert [repair.risk for repair in found(other).repairs] == ["manual"]


def test_the_file_of_another_service_stops_every_up_too() -> None:
    other = replace(LACKS, service="jobs", path="/srv/shop/jobs.env")
    assert "of service jobs; Compose refuses every `up` without it" in found(scene(other)).summary
    both = found(scene(other, BESIDE, files=FILES))
    assert PATH in both.summary and both.detail[-1] == "/srv/shop/jobs.env of service jobs is not there either"
    assert [repair.risk for repair in both.repairs] == ["manual"]      # one of them alone helps nothing


@pytest.mark.parametrize("made", [scene(), scene(LACKS, uncreated=(replace(GONE, profiles=("night",)),))])
def test_miss(made: Scene) -> None:
    assert roots(diagnose(made.snapshot())) == ["backend-down"]
