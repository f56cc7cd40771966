"""The way out: one egress for every outbound request, and what is fetched through it."""
