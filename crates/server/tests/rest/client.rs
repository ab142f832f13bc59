//! A client that says exactly what a test wants it to say.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// Within this, everything that is waited for here has happened, on a slow machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

const BOUNDARY: &str = "a-boundary-that-stands-in-no-test";

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Says that the body is longer than it is.
    missing: usize,
}

/// A part of a form.
pub(crate) enum Part<'a> {
    Text(&'a str, &'a str),
    /// Field, name of the file, stated type, content.
    File(&'a str, &'a str, &'a str, &'a [u8]),
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn get(path: &str) -> Ask {
    Ask::new("GET", path)
}

pub(crate) fn post(path: &str) -> Ask {
    Ask::new("POST", path)
}

pub(crate) fn patch(path: &str) -> Ask {
    Ask::new("PATCH", path)
}

pub(crate) fn delete(path: &str) -> Ask {
    Ask::new("DELETE", path)
}

pub(crate) fn put(path: &str) -> Ask {
    Ask::new("PUT", path)
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            missing: 0,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this key or token.
    pub(crate) fn with(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    /// The same request with other words in its headers.
    pub(crate) fn replacing(mut self, old: &str, new: &str) -> Self {
        for (_, value) in &mut self.headers {
            *value = value.replace(old, new);
        }
        self
    }

    pub(crate) fn raw(self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let asked = self.header("Content-Type", kind);
        let body = body.into();
        Self { body, ..asked }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub(crate) fn form(self, parts: &[Part<'_>]) -> Self {
        let mut body = Vec::new();
        for part in parts {
            body.extend_from_slice(format!("--{BOUNDARY}\r\n").as_bytes());
            let content = match part {
                Part::Text(name, text) => {
                    let head = format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n");
                    body.extend_from_slice(head.as_bytes());
                    text.as_bytes()
                }
                Part::File(name, file, kind, content) => {
                    let head = format!(
                        "Content-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
                         Content-Type: {kind}\r\n\r\n"
                    );
                    body.extend_from_slice(head.as_bytes());
                    content
                }
            };
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.raw(&format!("multipart/form-data; boundary={BOUNDARY}"), body)
    }

    pub(crate) fn texts(self, parts: &[(&str, &str)]) -> Self {
        let parts: Vec<_> = parts.iter().map(|(n, t)| Part::Text(n, t)).collect();
        self.form(&parts)
    }

    /// Only the first `share` in a hundred of the body, although all of it is announced.
    pub(crate) fn ending_early(mut self, share: usize) -> Self {
        let kept = self.body.len() * share / 100;
        self.missing = self.body.len() - kept;
        self.body.truncate(kept);
        self
    }

    pub(crate) fn send(&self, address: &str) -> Answer {
        let mut stream = self.begin(address);
        if self.missing > 0 {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::parse(&answer, self.method == "HEAD")
    }

    /// Writes the request and does not wait for an answer.
    pub(crate) fn begin(&self, address: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.body.len() + self.missing;
        if length > 0 || self.method == "POST" {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(b"\r\n").unwrap();
        stream.write_all(&self.body).unwrap();
        stream
    }
}

impl Answer {
    fn parse(bytes: &[u8], is_head: bool) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {}", bytes.escape_ascii()));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        let answer = Self {
            status: status.parse().unwrap(),
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
        };
        if let Some(length) = answer.header("content-length").filter(|_| !is_head) {
            assert_eq!(answer.body.len().to_string(), length, "a whole body");
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(found, _)| found == name)?;
        Some(&found.1)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.body.escape_ascii()))
    }

    /// The body of a success.
    pub(crate) fn good(&self) -> Value {
        let body = self.json();
        assert!((200..300).contains(&self.status), "{}: {body}", self.status);
        body
    }

    /// Asserts a refusal in the documented shape. Its message must have `words` in it.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, words: &str) {
        let body = self.json();
        assert_eq!(self.status, status, "{body}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(body["success"], false, "{body}");
        assert_eq!(body["code"], code, "{body}");
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(words), "{words:?} is not in {message:?}");
        assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
    }
}
