"""Pages as PDF: texts in, bytes out. The typesetter and its Japanese font are loaded when the first page is wanted."""
