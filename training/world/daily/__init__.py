"""Make what single people and crowds do, ordinary and not."""
