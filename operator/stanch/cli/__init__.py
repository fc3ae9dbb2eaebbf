"""The command `stanch`, also `kubectl stanch`: what people type. Slow libraries are imported inside the commands."""
