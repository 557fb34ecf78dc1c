"""How busy a backend is: workers, memory, time."""
