"""The words of stanch as frozen values. Nothing here knows Kubernetes, pydantic or a clock."""
