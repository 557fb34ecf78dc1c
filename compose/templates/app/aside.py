"""A small service of somebody else's: answers whatever it is asked, as its second argument says."""

import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    """Mode `open`: everything is fine. Mode `feed`: nothing at the root, and the feed has its own trouble."""

    def do_GET(self):
        mode = sys.argv[2]
        status = 200 if mode == "open" else 500 if self.path.endswith("/feed") else 404
        body = b'{"status": "ok"}\n' if status == 200 else b"connection to the feed refused\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    address, _, port = sys.argv[1].rpartition(":")
    http.server.ThreadingHTTPServer((address, int(port)), Handler).serve_forever()
