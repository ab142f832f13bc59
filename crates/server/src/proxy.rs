//! Whose word counts about where a request comes from: `Forwarded` (RFC 7239) and `X-Forwarded-*` from trusted proxies.
//!
//! The lists are walked from the right, the end that the nearest proxy wrote, and the first address that is not a trusted
//! proxy is the client; everything left of it is hearsay.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The networks of the proxies in front of this server; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// What is known about the far end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The client's address.
    pub ip: IpAddr,
    /// Whether the client speaks TLS, to us or to the nearest proxy.
    pub secure: bool,
    /// The host that the client asked for, if a proxy says so.
    pub host: Option<String>,
}

impl TrustedProxies {
    /// Reads a list of networks (`10.0.0.0/8`) and addresses.
    ///
    /// # Errors
    /// Words that name the entry which is neither.
    pub fn parse(list: &[String]) -> Result<Self, String> {
        let parse = |entry: &String| {
            let entry = entry.trim();
            entry
                .parse::<IpNet>()
                .ok()
                .or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from))
                .ok_or_else(|| {
                    format!("`{entry}` is neither an address nor a network like 10.0.0.0/8")
                })
        };
        list.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `ip` is one of the proxies.
    pub fn contain(&self, ip: IpAddr) -> bool {
        self.0
            .iter()
            .any(|network| network.contains(&ip.to_canonical()))
    }

    /// Who sent a request that came from `peer` over TLS or not. `Forwarded` goes before `X-Forwarded-*`, which a proxy
    /// that writes the standard header may have let through from outside.
    pub fn trace(&self, peer: IpAddr, secure: bool, headers: &HeaderMap) -> Source {
        let peer = peer.to_canonical();
        let mut source = Source {
            ip: peer,
            secure,
            host: None,
        };
        if self.0.is_empty() || !self.contain(peer) {
            return source;
        }
        if headers.contains_key(http::header::FORWARDED) {
            let elements: Vec<Element> = list(headers, "forwarded")
                .flat_map(|value| split_quoted(value, b','))
                .map(Element::parse)
                .collect();
            let mut nearest = true;
            for element in elements.iter().rev() {
                if std::mem::take(&mut nearest) {
                    source.secure = element
                        .proto
                        .as_deref()
                        .map_or(secure, |proto| proto.eq_ignore_ascii_case("https"));
                    source.host.clone_from(&element.host);
                }
                // An obfuscated or unreadable node hides who is behind it: the last address that we know has to do.
                let Some(ip) = element.ip else { break };
                source.ip = ip;
                if !self.contain(ip) {
                    break;
                }
            }
            return source;
        }
        let hops: Vec<&str> = list(headers, "x-forwarded-for")
            .flat_map(|value| value.split(','))
            .collect();
        for hop in hops.iter().rev() {
            let Some(ip) = parse_node(hop.trim()) else {
                break;
            };
            source.ip = ip;
            if !self.contain(ip) {
                break;
            }
        }
        let nearest = |name| {
            list(headers, name)
                .flat_map(|value| value.split(','))
                .map(str::trim)
                .last()
        };
        if let Some(proto) = nearest("x-forwarded-proto") {
            source.secure =
                proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss");
        }
        source.host = nearest("x-forwarded-host")
            .filter(|host| !host.is_empty())
            .map(str::to_owned);
        source
    }
}

/// All values of a header that may come several times.
fn list<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
}

/// One hop of a `Forwarded` header.
#[derive(Default)]
struct Element {
    ip: Option<IpAddr>,
    proto: Option<String>,
    host: Option<String>,
}

impl Element {
    fn parse(text: &str) -> Self {
        let mut element = Self::default();
        for pair in split_quoted(text, b';') {
            let Some((key, value)) = pair.split_once('=') else {
                continue;
            };
            let value = unquote(value.trim());
            match key.trim().to_ascii_lowercase().as_str() {
                "for" => element.ip = parse_node(&value),
                "proto" => element.proto = Some(value),
                "host" => element.host = Some(value),
                _ => {}
            }
        }
        element
    }
}

/// Splits at a separator that stands outside of quotes.
fn split_quoted(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (mut quoted, mut escaped) = (false, false);
        for (at, byte) in whole.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if byte == separator && !quoted => {
                    // The separator is ASCII, so both cuts are on character boundaries.
                    rest = whole.get(at + 1..);
                    return whole.get(..at);
                }
                _ => {}
            }
        }
        rest = None;
        Some(whole)
    })
}

fn unquote(value: &str) -> String {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
    else {
        return value.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        out.extend(if char == '\\' {
            chars.next()
        } else {
            Some(char)
        });
    }
    out
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn parse_node(node: &str) -> Option<IpAddr> {
    let bare = node
        .strip_prefix('[')
        .and_then(|node| node.strip_suffix(']'))
        .unwrap_or(node);
    bare.parse::<IpAddr>()
        .or_else(|_| node.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn proxies() -> TrustedProxies {
        TrustedProxies::parse(&[
            "10.0.0.0/8".to_owned(),
            "127.0.0.1".to_owned(),
            "fd00::/8".to_owned(),
        ])
        .unwrap()
    }

    fn trace(peer: &str, headers: &[(&'static str, &'static str)]) -> Source {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        proxies().trace(peer.parse().unwrap(), false, &map)
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let source = trace(
            "192.0.2.9",
            &[
                ("x-forwarded-for", "198.51.100.1"),
                ("x-forwarded-proto", "https"),
            ],
        );
        assert_eq!(
            source,
            Source {
                ip: "192.0.2.9".parse().unwrap(),
                secure: false,
                host: None
            }
        );
    }

    #[test]
    fn the_first_stranger_from_the_right_is_the_client() {
        let source = trace(
            "10.0.0.1",
            &[
                ("x-forwarded-for", "203.0.113.66, 198.51.100.1"),
                ("x-forwarded-for", "10.0.0.2"),
                ("x-forwarded-proto", "http, https"),
                ("x-forwarded-host", "chat.example.org"),
            ],
        );
        assert_eq!(source.ip, "198.51.100.1".parse::<IpAddr>().unwrap());
        assert!(source.secure);
        assert_eq!(source.host.as_deref(), Some("chat.example.org"));
    }

    #[test]
    fn a_chain_of_proxies_only_ends_at_its_leftmost_member() {
        assert_eq!(
            trace("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")]).ip,
            "10.0.0.3".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn the_standard_header_goes_first_and_may_be_quoted() {
        let source = trace(
            "127.0.0.1",
            &[
                (
                    "forwarded",
                    r#"for=203.0.113.66, For="[2001:db8::7]:4711";proto=https;host="chat.example.org:443""#,
                ),
                ("x-forwarded-for", "198.51.100.1"),
            ],
        );
        assert_eq!(source.ip, "2001:db8::7".parse::<IpAddr>().unwrap());
        assert!(source.secure);
        assert_eq!(source.host.as_deref(), Some("chat.example.org:443"));
    }

    #[test]
    fn what_cannot_be_read_stops_the_walk() {
        assert_eq!(
            trace("10.0.0.1", &[("x-forwarded-for", "198.51.100.1, unknown")]).ip,
            "10.0.0.1".parse::<IpAddr>().unwrap()
        );
        assert_eq!(
            trace(
                "10.0.0.1",
                &[("forwarded", "for=198.51.100.1, for=_hidden")]
            )
            .ip,
            "10.0.0.1".parse::<IpAddr>().unwrap()
        );
        assert_eq!(
            trace("10.0.0.1", &[("forwarded", r#"for="198.51.100.1"#)]).ip,
            "10.0.0.1".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn mapped_addresses_are_the_addresses_that_they_map() {
        let source = trace(
            "::ffff:10.0.0.1",
            &[("x-forwarded-for", "::ffff:198.51.100.1")],
        );
        assert_eq!(source.ip, "198.51.100.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn nonsense_in_the_configuration_is_refused() {
        assert!(TrustedProxies::parse(&["10.0.0.0/33".to_owned()]).is_err());
        assert!(TrustedProxies::parse(&["proxy.example".to_owned()]).is_err());
    }
}
