"""The texts of the pages, one TOML file per context."""
