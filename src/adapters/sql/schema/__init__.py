"""Tables, their mapping to the entities, search indexes, and the migrations' runner."""
