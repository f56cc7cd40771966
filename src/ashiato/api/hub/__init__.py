"""The hub's faces for machines: the listener for parties and everybody, and the listener for the operator."""
