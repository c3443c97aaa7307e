"""Who may call and change the mesh: certificates, tokens, TLS."""
