"""Reports as console text, JSON, Markdown and HTML. Pure: the same report and style give the same characters."""
