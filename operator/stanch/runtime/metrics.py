"""What stanch counts, in a registry of its own (the library's global one would mix in whatever else is loaded)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ticks = Counter("stanch_ticks", "Ticks by outcome.", ["outcome"], registry=self.registry)
        self.tick_seconds = Histogram("stanch_tick_seconds", "Duration of ticks.", registry=self.registry)
        self.effects = Counter("stanch_effects", "Effects by kind and outcome.", ["effect", "outcome"], registry=self.registry)
        self.transitions = Counter("stanch_transitions", "Phases entered.", ["phase"], registry=self.registry)
        self.queue = Gauge("stanch_queue_keys", "Incidents that want a tick now.", registry=self.registry)
        self.timers = Gauge("stanch_timers", "Incidents with a wake time.", registry=self.registry)
        self.leader = Gauge("stanch_leader", "1 while this process leads.", registry=self.registry)
        self.glass = Counter("stanch_glass_broken", "Options let run without their approvals.", registry=self.registry)
        self.sweeps = Counter("stanch_sweeps", "Sweeps over all incidents.", registry=self.registry)
        self.vouched = Gauge("stanch_decisions_trusted", "1 while who leads accepts Decisions.", registry=self.registry)
        self.in_force = Gauge(
            "stanch_admission_trusted", "1 while an admission policy is in force as shipped.", ["policy"], registry=self.registry
        )
        self.silent = Gauge("stanch_watch_silent", "1 while the watch does not tell what a list shows.", registry=self.registry)
        self.overdue_reverts = Gauge(
            "stanch_reverts_overdue", "Changes whose time to be taken back is over, and that were not.", registry=self.registry
        )
        self.unheeded = Gauge(
            "stanch_acknowledgements_overdue", "Incidents that nobody has taken on in time.", registry=self.registry
        )
        self.unrestored = Gauge(
            "stanch_restorations_overdue", "Incidents that are not mitigated in time (RTO).", registry=self.registry
        )
        self.missed_deadlines = Gauge(
            "stanch_deadlines_missed", "Approvals and options that go on after their time.", registry=self.registry
        )
