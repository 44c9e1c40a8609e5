"""What the server costs, measured against a mock model; never part of the tests."""
