"""What we call outside: models."""
