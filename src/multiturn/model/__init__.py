"""The nouns of the server: frozen, without I/O."""
