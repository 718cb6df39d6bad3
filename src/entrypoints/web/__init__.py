"""HTTP mechanisms shared by the API and the pages."""
