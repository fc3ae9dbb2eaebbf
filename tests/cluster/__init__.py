"""A real Kubernetes cluster for tests, the demo and people at a terminal.

Three providers stand behind one small interface (`model.Provider`): a context that
the user names, kind where Docker answers, and binaries built from source, run as one
namespaced node on this machine. Nothing here imports the `stanch` package.
"""
