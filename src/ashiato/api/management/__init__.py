"""The management API: how a company's own people and programs run its connector, over HTTP and never without a key."""
