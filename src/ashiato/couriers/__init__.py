"""Loops, timers, deliveries and streams: what moves bytes and waits."""
