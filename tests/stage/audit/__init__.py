"""The API server's audit log: read as it grows (`log`), and the invariants judged from it (`judge`, in the words of `terms`)."""
