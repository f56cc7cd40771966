"""One company's view of its chain: plants, parts, bills of material, serial items, partners, trade links, requests for data."""
