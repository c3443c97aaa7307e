"""Services, processes and clients for tests of the mesh."""
