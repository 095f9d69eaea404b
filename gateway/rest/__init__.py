"""The REST door: routes, OpenAPI and the addresses for probes, all derived from the list of operations."""
