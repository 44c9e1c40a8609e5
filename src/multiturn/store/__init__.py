"""The only place with SQL: sessions, items, runs, keys and leases on SQLite or PostgreSQL."""
