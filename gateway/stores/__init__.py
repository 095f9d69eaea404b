"""The stores: one adapter of the port JobStore per database."""
