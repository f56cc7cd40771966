"""The catalog: what members publish of their data, found by those whom the publisher lets see it."""
