"""Benchmarks: the service beside its floors, measured in one run."""
