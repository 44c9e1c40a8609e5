"""Search: finding the pieces of a session or of documents that a query is about, over NumPy arrays, without I/O."""
