"""Parity, size, time and memory, each in fresh worker processes."""
