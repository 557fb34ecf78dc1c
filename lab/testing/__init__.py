"""Labs for test suites: a broken stack as a class of testcontainers, and the guard that removes it in the end."""
