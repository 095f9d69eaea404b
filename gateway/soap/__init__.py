"""The SOAP door: a Spyne application made from the list of operations, its WSDLs, and its transport."""
