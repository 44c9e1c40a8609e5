"""Indexing of files: what a job does, step by step."""
