"""What every adapter promises, written once; the unit and integration tests run it on each."""
