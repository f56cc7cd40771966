"""The Decentralized Claims Protocol over HTTPS: the credential service of a holder and the issuer service."""
