"""What runs on a board: one zipapp, the board's own Python (>= 3.8), standard library plus a runtime's wheels."""
