"""Reports as one HTML file each: pictures, tables and figures inside, nothing fetched from anywhere."""
