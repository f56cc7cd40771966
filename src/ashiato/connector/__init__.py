"""One company's exchange: what it offers, what it has agreed, what it hands over and what it received."""
