"""The pure core: `decide(snapshot, now) -> Move`, and the ports through which everything else reaches the world."""
