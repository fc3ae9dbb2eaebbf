"""The container image of stanch, built without Docker and without a registry: from Debian's packages and the locked Python ones."""
