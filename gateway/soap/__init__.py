"""The SOAP door: a Spyne application made from the list of operations, its WSDLs, and its transport.

WS-Security, WS-Addressing and MTOM are not served; a header of theirs that must be understood is refused.
"""
