"""The routes of the API, one small class for each kind of thing."""
