"""What goes in and out of the management API, as its OpenAPI document says it."""
