"""The local provider's parts: one cluster is one set of Linux namespaces on this machine."""
