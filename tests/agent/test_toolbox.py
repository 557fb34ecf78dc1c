"""The tools: the commands that they run, and every way in which a change is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from jsonschema import Draft202012Validator

from fixer.agent import issued_plans
from fixer.agent.settings import Settings
from fixer.agent.toolbox import MOST_BUNDLES, MOST_CALLS, MOST_COMMANDS, MustAsk, undo_plan
from fixer.errors import NeedsPerson
from fixer.render.json_schema import command_schemas
from tests.agent.agent_builders import NO, NOBODY, PLAN, REPORT, RUN, UNATTENDED, YES, Desk

ID = str(PLAN["id"])


def refusal(answer: dict[str, Any]) -> str:
    Draft202012Validator(command_schemas()["repair"]).validate(answer)
    return str(answer["error"]["message"])


def test_a_plan_is_applied_after_a_yes_and_nothing_else(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    shown = desk.call("plan")
    Draft202012Validator(command_schemas()["plan"]).validate(shown)
    assert shown["plan"] == PLAN and shown["valid_seconds"] == 300
    assert "--yes" not in str(shown) and shown["withheld"] == ["more: manual"]
    assert desk.call("repair", plan_id=ID)["target"] == "local"
    assert desk.asked[0].plan == PLAN
    assert desk.commands.words == [
        ("repair", "local", "--dry-run", "--yes", "--max-risk", "safe", "--json"),
        ("repair", "local", "--plan", ID, "--yes", "--max-risk", "safe", "--json"),
    ]


def test_a_plan_is_used_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.call("plan")
    desk.call("repair", plan_id=ID)
    assert "has been used" in refusal(desk.call("repair", plan_id=ID))
    assert len(desk.commands.words) == 2


@pytest.mark.parametrize(("consent", "said"), [(NO, "did not agree"), (NOBODY, "cannot ask the person")])
def test_without_a_yes_nothing_is_run_and_the_plan_is_spent(consent: Any, said: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.call("plan")
    assert said in refusal(desk.call("repair", consent, plan_id=ID))
    assert "has been used" in refusal(desk.call("repair", plan_id=ID))
    assert len(desk.commands.words) == 1


def test_where_nobody_can_be_asked_the_server_may_allow_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.call("plan")
    assert "error" not in desk.call("repair", UNATTENDED, plan_id=ID)
    assert [record["answer"] for record in desk.records() if record["event"] == "consent"] == ["unattended"]


def test_a_plan_that_nobody_showed_is_unknown(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert "is unknown here" in refusal(desk.call("repair", plan_id=ID))
    assert desk.commands.words == [] and desk.asked == []


@pytest.mark.parametrize("late", ["before the call", "while the person reads"])
def test_an_old_plan_is_refused(late: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, now = Desk(tmp_path), [0.0]
    monkeypatch.setattr(desk.tools, "plans", issued_plans.IssuedPlans(lambda: now[0]))
    desk.call("plan")
    if late == "before the call":
        now[0] = 301.0
        assert "older than 5 minutes" in refusal(desk.call("repair", plan_id=ID))
    else:
        class Slow:
            answer, by = "yes", "test"

            def __init__(self) -> None:
                now[0] = 301.0

        async def ask(issued: object) -> Any:
            return Slow()

        monkeypatch.setattr(desk, "called", lambda tool, consent, token, arguments, _: desk.tools.call(
            tool, arguments, issued_call(ask)))
        assert "older than 5 minutes" in refusal(desk.call("repair", plan_id=ID))
    assert len(desk.commands.words) == 1


def issued_call(ask: Any) -> Any:
    from fixer.agent.toolbox import Call

    return Call("tests", ask)


def test_a_plan_of_one_tool_is_none_of_another(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.call("plan")
    assert "is one for the tool repair" in refusal(desk.call("undo", plan_id=ID))
    assert "error" not in desk.call("repair", plan_id=ID)


def test_an_undo_is_planned_and_applied_like_a_repair(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    shown = desk.call("plan", action="undo")
    Draft202012Validator(command_schemas()["plan"]).validate(shown)
    assert shown["plan"]["steps"] == ["take back: reload nginx", "take back: edit a"] and shown["plan"]["run"] == RUN["id"]
    assert desk.call("undo", plan_id=shown["plan"]["id"])["id"] == RUN["id"]
    assert desk.commands.words[-1] == ("undo", "local", "--id", RUN["id"], "--json")


def test_a_run_that_changed_since_is_not_undone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    shown = desk.call("plan", action="undo")
    desk.commands.objects["history"]["runs"] = [{**RUN, "conflicts": ["/etc/x: somebody changed it"]}]
    assert "not as it was" in refusal(desk.call("undo", plan_id=shown["plan"]["id"]))
    assert not [words for words in desk.commands.words if words[0] == "undo"]


def test_only_what_is_in_force_is_undone() -> None:
    history = {**REPORT, "runs": [{**RUN, "state": "undone"}, {**RUN, "id": "older"}]}
    assert undo_plan(history, None)["run"] == "older"
    with pytest.raises(issued_plans.RefusedPlan):
        undo_plan(history, str(RUN["id"]))
    with pytest.raises(Exception, match="no such thing"):
        undo_plan({"error": {"message": "no such thing", "hint": ""}}, None)


def test_the_limits_of_the_server_are_those_of_every_repair(tmp_path: Path) -> None:
    settings = Settings((("web", "ssh://root@web1"),), allow_repair=True, max_risk="disruptive")
    desk = Desk(tmp_path, settings)
    desk.call("plan", target="web", repair_id="start-service")
    desk.call("repair", plan_id=ID)
    assert desk.commands.words[-1] == (
        "repair", "ssh://root@web1", "--only", "start-service", "--plan", ID, "--yes", "--max-risk", "disruptive", "--json")


def test_what_the_client_has_to_ask_is_asked_in_a_second_call(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.call("plan")

    class Later(Exception):
        pass

    async def first() -> str:
        async def ask(issued: Any) -> Any:
            raise MustAsk(issued)

        with pytest.raises(MustAsk) as asked:
            await desk.tools.call("repair", {"plan_id": ID}, issued_call(ask))
        return desk.tools.plans.wait_for_answer(asked.value.issued)

    token = anyio.run(first)
    assert "nobody was asked" in refusal(desk.call("repair", token="x" * len(token), plan_id=ID))
    assert "nobody was asked" in refusal(desk.call("undo", token=token, plan_id=ID))
    token = anyio.run(_waiting, desk)
    assert "error" not in desk.call("repair", YES, token, plan_id=ID)
    assert "nobody was asked" in refusal(desk.call("repair", YES, token, plan_id=ID))


async def _waiting(desk: Desk) -> str:
    return desk.tools.plans.wait_for_answer(desk.tools.plans.issue("local", PLAN, ("local",)))


def test_one_command_works_on_a_target_and_some_on_all(tmp_path: Path) -> None:
    names = tuple((f"t{number}", f"docker://t{number}") for number in range(8))
    desk = Desk(tmp_path, Settings(names))

    async def many() -> list[Any]:
        found: list[Any] = []

        async def one(name: str) -> None:
            found.append(await desk.called("diagnose", YES, "", {"target": name}))

        async with anyio.create_task_group() as tasks:
            for name in [name for name, _ in names] * 2:
                tasks.start_soon(one, name)
        return found

    found = anyio.run(many)
    assert len(found) == 16 == MOST_CALLS and not [each for each in found if "error" in each]
    assert 1 < desk.commands.most_running <= MOST_COMMANDS


def test_too_many_calls_are_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tools._calls = MOST_CALLS
    assert "calls run or wait already" in refusal(desk.call("diagnose"))


def test_a_target_that_is_none_of_the_servers_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert "no target of that name" in refusal(desk.call("diagnose", target="ssh://root@evil"))
    assert desk.commands.words == []


def test_bundles_go_to_the_servers_folder_and_are_counted(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Settings((("../we b", "local"),), bundle_folder=str(tmp_path / "b")), collect=REPORT)
    desk.call("collect", target="../we b")
    file = Path(desk.commands.words[0][3])
    assert file.parent == tmp_path / "b" and ".." not in file.name and " " not in file.name
    for number in range(MOST_BUNDLES):
        (tmp_path / "b" / str(number)).touch()
    assert "must remove bundles" in desk.call("collect", target="../we b")["error"]["hint"]


def test_every_call_is_in_the_audit_log(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.call("plan")
    desk.call("repair", plan_id=ID)
    desk.tools.refuse("repair", {"password": "hunter2"}, "tests 1", "wrong arguments")
    records = desk.records()
    assert [record["event"] for record in records] == ["begin", "end", "begin", "consent", "end", "refused"]
    assert records[1]["plan"] == ID and records[2]["arguments"] == {"plan_id": ID} and records[3]["answer"] == "yes"
    assert all(record["user"] and record["at"] and record["client"] == "tests 1" for record in records)
    assert records[4]["outcome"] == "broken" and "hunter2" not in Path(desk.audit.path).read_text()


def test_without_its_record_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)

    def full(*words: object) -> None:
        raise NeedsPerson("the audit log cannot be written: No space left on device")

    monkeypatch.setattr(desk.audit, "write", full)
    assert "cannot be written" in refusal(desk.call("plan"))
    assert desk.commands.words == []
