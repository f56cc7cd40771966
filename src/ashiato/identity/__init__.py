"""Who we are and who calls us: keys, DID documents, tokens."""
