"""Visitors of the back office: each logs in once, then asks for the report again and again, with a pause between.

    visit.py URL HOST USER PASSWORD PEOPLE SECONDS

Each person waits for an answer before asking anew, so the rate is bounded; after SECONDS all go home.
"""

import http.client
import random
import sys
import threading
import time
from urllib.parse import urlencode, urlsplit

READING = (0.4, 1.2)    # pause after a report
IMPATIENT = (0.1, 0.5)  # pause after a page that failed: people press reload
PATIENCE = 70.0


def request(url, method, path, headers, body=None):
    """One request on a connection of its own; status 0 where nothing answered."""
    place = urlsplit(url)
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


def person(url, host, account, until):
    """One visitor."""
    headers = {"Host": host} if host else {}
    cookie = ""
    while time.monotonic() < until:
        if not cookie:
            form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
            status, cookie = request(url, "POST", "/api/login", form, urlencode(account))
        else:
            status, _ = request(url, "GET", "/api/report", {**headers, "Cookie": cookie})
            cookie = "" if status in {401, 403} else cookie
        time.sleep(random.uniform(*(READING if status == 200 else IMPATIENT)))


def main():
    url, host, user, password, people, seconds = sys.argv[1:7]
    account = {"user": user, "password": password}
    until = time.monotonic() + float(seconds)
    threads = [
        threading.Thread(target=person, args=(url, host, account, until), daemon=True) for _ in range(int(people))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
