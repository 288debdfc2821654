"""Reports as one HTML file each: pictures, tables and figures inside, nothing fetched from anywhere."""

from core.reports.page import Section, facts, figure, gallery, html_page, paragraph, picture, table

__all__ = ["Section", "facts", "figure", "gallery", "html_page", "paragraph", "picture", "table"]
