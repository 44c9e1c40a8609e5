"""HTTP: each dialect a translation of the same engine."""
