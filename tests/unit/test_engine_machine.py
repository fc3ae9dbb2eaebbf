"""The whole engine in the whole runtime, in every order that hypothesis finds: invariants 1-6 and 11 after every step."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.unit.machine import Incidents

# STANCH_MACHINE_EXAMPLES=2000 searches for minutes.
EXAMPLES = int(os.environ.get("STANCH_MACHINE_EXAMPLES", "24"))

TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None)
