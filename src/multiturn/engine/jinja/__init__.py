"""Templates of people whom we need not trust: Jinja's syntax, executed by our own code, every step of it counted."""
