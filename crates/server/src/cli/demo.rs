//! What `palaver serve --demo` prints: where the server is, and a program to paste.

use std::io::Write;

use super::Failure;
use crate::identity::key;

/// The program that is printed. It is pasted into a shell as it stands.
const SNIPPET: &str = include_str!("demo.sh");

/// Prints how to try the server out.
pub(super) fn print(url: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let key = key::DEMO;
    let snippet = SNIPPET.replace("{url}", url).replace("{key}", key);
    write!(
        out,
        "\n  url         {url}\n  client key  {key}\n\n\
         Two people who talk; paste this into a shell in an empty folder (Node 20):\n\n{snippet}\n"
    )?;
    Ok(out.flush()?)
}
