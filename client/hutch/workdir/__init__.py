"""Working directories: local directories bound to a dataset."""
