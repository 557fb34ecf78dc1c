"""The door of a person's lab: passes TCP connections on to the machine, and ends at a moment.

    relay.py UNTIL PORT=HOST:PORT…

UNTIL is in seconds since 1970. It ends by itself, whatever has become of the command that started it."""

import asyncio
import contextlib
import sys
import time

CHUNK = 65536


async def pump(reader, writer):
    """Pass bytes on until the sender ends its half, then end that half too."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def passer(host, port):
    """Return what serves a connection for that address."""
    async def serve(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        except OSError:
            pass
        finally:
            far_writer.close()
            writer.close()
    return serve


async def main(until, doors):
    """Listen until the moment has come."""
    servers = []
    for door in doors:
        own, _, far = door.partition("=")
        host, _, port = far.rpartition(":")
        servers.append(await asyncio.start_server(passer(host, int(port)), "0.0.0.0", int(own)))
    while (left := until - time.time()) > 0:
        await asyncio.sleep(min(left, 5.0))    # the clock of the host may be set meanwhile


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), sys.argv[2:]))
