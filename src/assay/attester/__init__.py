"""The attester's side: evidence from the machine at hand, and the exchange that it goes in."""
