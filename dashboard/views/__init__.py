"""The pages, a short file each: which components stand where."""
