"""The dialect of Powabase: agents, their sessions and runs, knowledge bases and sources."""
