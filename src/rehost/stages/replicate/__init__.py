"""Replication: a disk's used blocks to the target, and proof that they are there."""
