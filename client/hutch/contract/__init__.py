"""What client and server agree on, written once; standard library only.

``paths``, ``parts`` and ``manifest`` are rules that both sides compute,
``problems`` are the errors that travel, ``wire`` is the JSON they exchange.
"""
