"""The control plane, its gRPC service and its process."""
