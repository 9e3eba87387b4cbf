"""Tables, figures and the page of `errata leaderboard` and `errata evaluate`."""
