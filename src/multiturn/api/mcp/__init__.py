"""The Model Context Protocol: what this server keeps, as tools for the models of others."""
