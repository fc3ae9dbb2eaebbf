"""The demo: a broken release on a real cluster, mitigated by stanch before your eyes. `make demo`, `make demo-down`."""
