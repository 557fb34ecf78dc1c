"""Tests of lab/page/watch.py: a page that nobody watches costs nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from lab.errors import LabError
from lab.page.watch import Watch, event_text


class Asked:
    """A question that counts how often it is asked."""

    def __init__(self, problem: str = "") -> None:
        self.times = 0
        self.problem = problem

    def __call__(self) -> dict[str, Any]:
        self.times += 1
        if self.problem:
            raise LabError(self.problem)
        return {"times": self.times}


async def heard(watch: Watch, count: int) -> list[str]:
    """The first events of a listener, who then leaves."""
    listening = watch.listen()
    found = [await anext(listening) for _ in range(count + 1)]
    await listening.aclose()  # type: ignore[attr-defined]
    return found[1:]


def test_nothing_is_asked_before_the_first_listener_and_after_the_last() -> None:
    question = Asked()
    watch = Watch({"state": (0.0, question)})
    assert watch.is_idle and question.times == 0

    async def two() -> None:
        first = watch.listen()
        await anext(first)
        assert await heard(watch, 3) and not watch.is_idle      # one has left, one listens
        assert (await anext(first)).startswith("event: state\n")
        tasks = list(watch.tasks)
        await first.aclose()  # type: ignore[attr-defined]
        assert watch.is_idle
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
        at_the_end = question.times
        for _ in range(50):
            await asyncio.sleep(0)
        assert question.times == at_the_end

    asyncio.run(two())


def test_listeners_share_the_answers_and_come_again() -> None:
    question = Asked()
    watch = Watch({"state": (0.0, question)})
    assert asyncio.run(heard(watch, 2))[0] == event_text("state", {"times": 1})
    assert len(asyncio.run(heard(watch, 2))) == 2


def test_a_problem_is_told_and_not_the_end() -> None:
    watch = Watch({"state": (0.0, Asked("the lab is gone"))})
    assert asyncio.run(heard(watch, 2)) == ['event: trouble\ndata: {"message": "the lab is gone"}\n\n'] * 2


def test_no_text_breaks_out_of_its_event() -> None:
    assert event_text("log", {"line": "a\n\nevent: x\u2028"}).count("\n\n") == 1
