"""The routes of the management API: each reads its request, calls one use case in one transaction, shows the result."""
