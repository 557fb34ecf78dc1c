"""A listener of somebody else's on the same machine: says one line to whoever connects, in no protocol of the web."""

import signal
import socketserver
import sys


class Greeter(socketserver.StreamRequestHandler):
    """Reads a little, answers one line, closes."""

    timeout = 2

    def handle(self) -> None:
        self.wfile.write(b"220 spool ready\r\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Server((sys.argv[1], int(sys.argv[2])), Greeter) as server:
        server.serve_forever()
