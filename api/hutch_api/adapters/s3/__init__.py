"""The object store over S3: boto3 for calls, our own signatures for URLs."""

from hutch_api.adapters.policies import Buckets
from hutch_api.adapters.s3.client import client_config, make_client
from hutch_api.adapters.s3.objects import S3Store
from hutch_api.adapters.s3.opening import create_s3_store

__all__ = ["Buckets", "S3Store", "client_config", "create_s3_store", "make_client"]
