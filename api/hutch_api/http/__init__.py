"""The API over HTTP: parse, call one service, render.

Every route is an ``Endpoint`` in one table (``operations``); the routes, the OpenAPI
document and the tests of authentication and scopes are made from that table. The
rules are in ``hutch_api.services``. No answer carries a byte of a file: clients are
sent to the store.
"""
