"""Lines of last week in nginx's error log: a fault long gone, which is no evidence of anything present."""

from __future__ import annotations

import random
import time

from lab.scenario.templates import Parameters


def old_error_log(full: Parameters, now: float, dice: random.Random) -> bytes:
    """Some minutes of refused connections six to eight days ago, then quiet, as nginx writes them."""
    moment = now - dice.uniform(6.0, 8.0) * 86400
    lines = []
    for number in range(dice.randrange(5, 30)):
        moment += dice.uniform(0.2, 9.0)
        stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(moment))
        path = dice.choice(["/login", "/", "/api/report", "/dashboard"])
        worker, client = dice.randrange(300, 330), f"10.0.0.{dice.randrange(2, 250)}"
        lines.append(
            f"{stamp} [error] {worker}#{worker}: *{number * 3 + 11} connect() failed (111: Connection refused) while "
            f"connecting to upstream, client: {client}, server: {full['server_name']}, request: "
            f'"GET {path} HTTP/1.1", upstream: "http://127.0.0.1:{full["old_port"]}{path}", '
            f'host: "{full["word"]}.example.com"\n'
        )
    return "".join(lines).encode()
