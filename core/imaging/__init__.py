"""Pictures of scans: colours and overlays, what the browser's viewer gets, thumbnails and solids for 3D."""
