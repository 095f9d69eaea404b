"""Translates between XML elements and models, by the types of the models and never by the look of the XML."""

NAMESPACE = "urn:jobs-gateway:v2"
"""The namespace of every element and type of the contract."""
