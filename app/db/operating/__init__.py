"""What running the gateway keeps: job runs, the sandbox clock, paused accounts, rate limits, imports done once."""
