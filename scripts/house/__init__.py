"""A tool for one rebuilding: it merges modules of the package by maps, and goes when they have been merged."""
