"""What people and their programs are told: status, health, doctor's findings, metrics, the hook."""
