"""Make vehicles and what happens in traffic."""
