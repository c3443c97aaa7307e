"""Tables, connections, migrations, compiled SQL."""
