"""What must be delivered: written in the same transaction as the state that caused it, drained by a courier."""
