//! What needs no conversation to be tested; conversations are in `transcripts/`.
