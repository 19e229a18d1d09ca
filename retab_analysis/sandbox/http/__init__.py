"""HTTP on loopback: connections, requests and answers."""
