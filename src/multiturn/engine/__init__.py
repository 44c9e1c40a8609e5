"""What the server does: turns, sessions, runs, keys, and what is forgotten."""
