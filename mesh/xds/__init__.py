"""Envoy's configuration: rendered from the topology, checked, and pushed with delta ADS."""
