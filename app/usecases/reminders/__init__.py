"""Reminders of a tenant: its defaults and quiet hours, and thresholds set for many SIMs at once (RM-1, RM-2)."""
