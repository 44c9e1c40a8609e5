"""Structured output: JSON schemas that an answer is to fit, and how an answer is brought to fit one."""
