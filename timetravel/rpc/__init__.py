"""The gRPC service of the past, its client, their messages."""
