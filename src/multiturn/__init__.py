"""Multiturn: a self-hosted server that keeps the state of multi-turn conversations with language models."""

__version__ = "0.1.0"
