"""Ingest over gRPC: the service, its client, their messages."""
