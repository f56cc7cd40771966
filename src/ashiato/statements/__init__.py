"""What we say to others over our own wire and sign: receipts about data that came in."""
