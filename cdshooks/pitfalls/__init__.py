"""Pitfalls: files that clinicians read, conditions that are evaluated over findings, and the choice of the few that speak."""
