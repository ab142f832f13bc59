//! Of the store of files.
