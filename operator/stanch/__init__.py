"""Stanch: incident-response runbooks as Kubernetes objects. The layers are listed in the README of this folder's parent."""
