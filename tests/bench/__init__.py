"""How fast stanch is, measured against what one would have without it. `make bench`; the README beside this says how."""
