"""Sends what was collected during the night."""

import smtplib


def main():
    with smtplib.SMTP("127.0.0.1", 2525, timeout=3) as mail:
        mail.noop()


if __name__ == "__main__":
    main()
