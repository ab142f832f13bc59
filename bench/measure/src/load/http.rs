//! As much HTTP as a load client needs: one request on a connection of its own.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::socket::Outcome;

/// The body of the answer to a request; what is not answered with success is an error. `key` is an
/// API key, or empty; `body` is JSON, or empty.
pub(crate) async fn ask(
    at: &str,
    method: &str,
    path: &str,
    key: &str,
    body: &str,
) -> Outcome<String> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let asked = async {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_string(&mut answer).await
    };
    asked
        .await
        .map_err(|error| format!("{method} {path}: {error}"))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 2") => Ok(body.to_owned()),
        _ => Err(format!("{method} {path} was answered {answer}")),
    }
}
