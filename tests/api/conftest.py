from tests.plugins.data_plane import consumer, parties, provider

__all__ = ["consumer", "parties", "provider"]
