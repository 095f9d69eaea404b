"""One job domain behind two doors: SOAP with a WSDL, REST with OpenAPI."""

__version__ = "0.1.0"
CONTRACT_VERSION = "2.0"
