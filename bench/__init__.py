"""Benchmarks: ratios measured in one run, for docs/benchmarks.md. Run them with scripts/bench."""
