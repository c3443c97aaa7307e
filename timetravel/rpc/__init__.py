"""The time-travel gRPC service, its client, and their messages."""
