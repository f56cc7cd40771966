"""Long work on background databases, in processes of their own."""
