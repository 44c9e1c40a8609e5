"""What an operator does over HTTP: keys and quotas."""
