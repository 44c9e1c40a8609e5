"""What the model is shown: the context of a turn, under a budget of tokens."""
