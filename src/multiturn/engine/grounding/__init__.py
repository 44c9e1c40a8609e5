"""Grounding: answers that rest on a knowledge store, and say where."""
