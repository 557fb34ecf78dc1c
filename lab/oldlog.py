"""Lines of last week in nginx's error log: a fault long gone, which is no evidence of anything present."""

from __future__ import annotations

import random
import time

from lab.templates import Parameters


def old_error_log(full: Parameters, now: float, dice: random.Random) -> bytes:
    """Some minutes of refused connections six to eight days ago, then quiet, as nginx writes them."""
    moment = now - dice.uniform(6.0, 8.0) * 86400
    lines = []
    for number in range(dice.randrange(5, 30)):
        moment += dice.uniform(0.2, 9.0)
        stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(moment))
        path = dice.choice(["/login", "/", "/api/report", "/dashboard"])
        lines.append(
            f"{stamp} [error] {dice.randrange(300, 330)}#{dice.randrange(300, 330)}: *{number * 3 + 11} "
            f"connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.{dice.randrange(2, 250)}, server: "
            f'{full["server_name"]}, request: "GET {path} HTTP/1.1", upstream: '
            f'"http://127.0.0.1:{full["old_port"]}{path}", host: "{full["word"]}.example.com"\n'
        )
    return "".join(lines).encode()
