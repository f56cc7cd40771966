"""Metering and billing: what both sides say was used, priced by dated tariffs, closed month by month, and invoiced."""
