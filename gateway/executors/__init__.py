"""Adapters to what runs jobs, one file per engine. The port is `gateway.domain.executor`."""
