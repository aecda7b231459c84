"""Make what people do in close contact, from handshakes to fights."""
