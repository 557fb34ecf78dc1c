"""Visitors of the back office: each logs in once, then asks for the report again and again, with a pause between.

    visit.py URL USER PASSWORD PEOPLE PAUSE_FROM PAUSE_TO SECONDS

Each person waits for an answer before asking anew, so the rate is bounded; after SECONDS all go home.
"""

import http.client
import random
import ssl
import sys
import threading
import time
from urllib.parse import urlencode, urlsplit

PATIENCE = 70.0
ANY = ssl._create_unverified_context()


def request(url, method, path, headers, body=None):
    """One request on a connection of its own; status 0 where nothing answered."""
    place = urlsplit(url)
    if place.scheme == "https":
        connection = http.client.HTTPSConnection(place.hostname, place.port or 443, timeout=PATIENCE, context=ANY)
    else:
        connection = http.client.HTTPConnection(place.hostname, place.port or 80, timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        reply.read()
        return reply.status, reply.getheader("set-cookie", "").split(";")[0]
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def person(url, account, pause, until):
    """One visitor."""
    cookie = ""
    while time.monotonic() < until:
        if not cookie:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            status, cookie = request(url, "POST", "/api/login", form, urlencode(account))
            if not cookie:
                time.sleep(random.uniform(*pause))
        else:
            status, _ = request(url, "GET", "/api/report", {"Cookie": cookie})
            cookie = "" if status in {401, 403} else cookie
            time.sleep(random.uniform(*pause))


def main():
    url, user, password, people, pause_from, pause_to, seconds = sys.argv[1:8]
    account = {"user": user, "password": password}
    pause = float(pause_from), float(pause_to)
    until = time.monotonic() + float(seconds)
    threads = [
        threading.Thread(target=person, args=(url, account, pause, until), daemon=True) for _ in range(int(people))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
