"""Where rows are stored: files on this machine and at URLs, and the files that a path stands for."""
