"""What S3 tools of other people need to work on a dataset: keys, and their settings."""
