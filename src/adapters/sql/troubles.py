"""What the databases' troubles are called, whichever of them tells of it."""

AWAY = "The database cannot be reached."
FULL = "The database's disk is full; nothing was written."
BUSY = "The database is busy with somebody else's change."
UNUSABLE = "The database's storage cannot be used."
SLOW = "The database took too long."
