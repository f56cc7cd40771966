"""Faces for machines: the Dataspace Protocol, the data plane, the management API."""
