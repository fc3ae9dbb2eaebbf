"""The imperative shell around `engine.decide`: one incident, one tick. It names no framework."""
