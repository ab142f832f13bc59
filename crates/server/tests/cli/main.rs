//! The program as scripts and operators use it: its output, its exit statuses, with a server
//! running and without.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs
)]

mod operating;
mod program;
mod serving;
