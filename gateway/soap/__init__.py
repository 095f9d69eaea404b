"""The SOAP door: a Spyne application made from the list of operations, its WSDLs, and its transport.

Spyne 2.14 has faults. Each is worked round in one place, whose comment names it, and has its test in
`tests/wire/test_spyne_faults.py`, which also tells when a newer Spyne needs the workaround no more:

| fault of Spyne | worked round in |
|---|---|
| cannot be imported on Python 3.12 and later, warns on earlier ones | `spyne_compat.py` |
| keeps every application for ever, warns of a second one of its name | `service.JobsApplication` |
| calls operations without awaiting them | `service.JobsApplication.answer` |
| a type for each member that takes words of a list, named after the member | `types.enumeration_of` |
| lists get types of their own that hold them | `types.member_type` |
| WSDL of an application without a transport: one of Spyne's, or no ports | `door.applications` |
| a WSDL that is built a second time has no port type and no service | `wsdl.build` |
| one name for port type, binding and port | `wsdl.JobsDocuments` |
| bare soapActions, `parameterOrder` that names no part | `wsdl._write_operations` |
| a fault's members beside `faultcode`, a member's text in place of its type's | `wsdl._write_schema` |
| validates with one schema, whose log of errors all threads share | `guard_schema.GuardSchema` |
| contexts collect garbage, guard their attributes, fire events unheard | `transport._Context` |
| exceptions escape; a reply that cannot be written is 200 and empty | `transport.SoapServer.serve` |
| an empty POST hangs behind an adapter from WSGI | `transport.SoapServer` |
| logs each caller's fault with a traceback | `transport.SoapServer.get_in_object` |
| builds XPath from what MIME parts say | `protocol._JobsSoap.create_in_document` |
| copies the context for each of several methods | `protocol._JobsSoap.generate_method_contexts` |
| reads any `xsi:nil` as true, and tells missing from nil by nothing | `protocol._JobsSoap.deserialize` |
| writes invalid numbers, words, missing values and fault codes | `protocol._JobsSoap.serialize` |
| answers each fault with 500 | `protocol._JobsSoap.fault_to_http_response_code` |
"""
