"""HTTP on loopback: connections, requests, answers, and what can go wrong with them."""
