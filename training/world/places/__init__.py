"""Make places: rooms, streets, furniture, textures, lights and cameras."""
