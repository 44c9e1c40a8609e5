"""Readers: a file's bytes in, segments with their places out, each file in a process of its own."""
