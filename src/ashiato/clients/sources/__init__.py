"""The kinds of places where a company keeps what it offers, each behind the connector's `Source` port."""
