"""The neutral operator: what makes the exchange findable, comparable, certified, provable and paid for, without a payload."""
