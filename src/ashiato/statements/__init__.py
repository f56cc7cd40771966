"""What we say to others over our own wire and sign: words that travel as assets, receipts about data, descriptions."""
