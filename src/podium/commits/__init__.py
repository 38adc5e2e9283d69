"""The engine of the registry: commits, their fold, the protocol that makes them, the gate."""
