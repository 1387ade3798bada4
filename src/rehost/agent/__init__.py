"""The agent: runs on the source server, with the standard library alone."""
