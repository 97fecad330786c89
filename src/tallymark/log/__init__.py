"""The durable event log: what is acknowledged is here first."""
