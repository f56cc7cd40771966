"""The Dataspace Protocol as pure functions: messages and state machines here, each version's wire in its own
folder.
"""
