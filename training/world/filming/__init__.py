"""Film pictures as CCTV cameras, recorders and players do."""
