//! Which pages may talk to this server: the `Origin` allow-list and the `Host` check, alike for polling, WebSocket and REST.
//!
//! `Origin` (RFC 6454) is set by browsers and keeps other people's pages out. `Host` must be checked as well where the
//! server trusts its network: a page may point its own name at 127.0.0.1 (DNS rebinding) and would then be "same origin".

use std::net::IpAddr;

/// The origins that may come in. Requests without `Origin` are no browser's and always pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// On a loopback listener the loopback origins of any port. Elsewhere the server's own pages, if it is asked for by an
    /// IP address, `localhost` or one of its configured host names.
    #[default]
    Default,
    /// Everybody: only by explicit choice (`*`).
    Any,
    /// These, as a browser writes them: `https://chat.example.org`, with the port if it is not the scheme's own.
    List(Vec<String>),
}

impl Origins {
    /// Reads the list of a configuration: nothing is the default, a single `*` is everybody.
    ///
    /// # Errors
    /// Words that name the entry which is no origin.
    pub fn parse(list: &[String]) -> Result<Self, String> {
        if list.is_empty() {
            return Ok(Self::Default);
        }
        if list.iter().any(|entry| entry == "*") {
            return if list.len() == 1 {
                Ok(Self::Any)
            } else {
                Err("the origin `*` stands for everybody and must stand alone".to_owned())
            };
        }
        let mut origins = Vec::with_capacity(list.len());
        for entry in list {
            let entry = entry.trim().to_ascii_lowercase();
            if entry != "null" {
                let (scheme, authority) = split_origin(&entry).ok_or_else(|| {
                    format!("`{entry}` is no origin; write it like https://chat.example.org")
                })?;
                if scheme.is_empty()
                    || authority.is_empty()
                    || authority.contains(['/', '@', '?', '#', '*'])
                {
                    return Err(format!(
                        "`{entry}` is no origin: scheme, host and port, and nothing after them"
                    ));
                }
            }
            origins.push(entry);
        }
        Ok(Self::List(origins))
    }

    /// Whether a page of `origin` may ask a server that it reached as `host`.
    pub fn allows(&self, origin: &str, host: Option<&str>, rules: &HostRules) -> bool {
        match self {
            Self::Any => true,
            Self::List(list) => list.iter().any(|entry| entry.eq_ignore_ascii_case(origin)),
            Self::Default => {
                let Some((_, authority)) = split_origin(origin) else {
                    return false;
                };
                if rules.loopback {
                    is_loopback_host(host_name(authority))
                } else {
                    host.is_some_and(|host| same_authority(origin, host) && rules.knows(host))
                }
            }
        }
    }
}

/// Which names this server answers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostRules {
    /// Whether the listener is bound to a loopback address.
    pub loopback: bool,
    /// The configured names, without port.
    pub hosts: Vec<String>,
}

impl HostRules {
    /// Whether a request with this `Host` (or none) is served at all.
    pub fn allow(&self, host: Option<&str>) -> bool {
        if !self.loopback && self.hosts.is_empty() {
            return true;
        }
        // HTTP/1.0 and raw tools bring none; a browser always does.
        host.is_none_or(|host| self.knows(host))
    }

    /// Whether `host` cannot be somebody else's name for us.
    fn knows(&self, host: &str) -> bool {
        let name = host_name(host);
        name.eq_ignore_ascii_case("localhost")
            || parse_ip(name).is_some()
            || self
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// `scheme://authority` in its two parts.
fn split_origin(origin: &str) -> Option<(&str, &str)> {
    origin.split_once("://")
}

/// `host[:port]` without its port; an IPv6 address keeps its brackets.
fn host_name(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority
            .find(']')
            .and_then(|end| authority.get(..=end))
            .unwrap_or(authority);
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name)
}

fn parse_ip(name: &str) -> Option<IpAddr> {
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    bare.parse().ok()
}

fn is_loopback_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || parse_ip(name).is_some_and(|ip| ip.to_canonical().is_loopback())
}

/// Whether `origin` is what a browser sends for a page of `host`. A scheme's own port may stand in neither, either or both.
fn same_authority(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = split_origin(origin) else {
        return false;
    };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    bare(authority) == bare(host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn loopback() -> HostRules {
        HostRules {
            loopback: true,
            hosts: Vec::new(),
        }
    }

    fn public(hosts: &[&str]) -> HostRules {
        HostRules {
            loopback: false,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        }
    }

    #[test]
    fn a_loopback_listener_takes_loopback_pages_of_any_port() {
        for origin in [
            "http://localhost:5173",
            "https://127.0.0.1",
            "http://[::1]:8080",
            "http://127.8.8.8:1",
        ] {
            assert!(
                Origins::Default.allows(origin, Some("localhost:3000"), &loopback()),
                "{origin}"
            );
        }
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost.evil.example",
            "http://192.168.0.7",
            "",
        ] {
            assert!(
                !Origins::Default.allows(origin, Some("localhost:3000"), &loopback()),
                "{origin}"
            );
        }
    }

    #[test]
    fn elsewhere_only_the_servers_own_pages_under_a_name_that_cannot_be_rebound() {
        let rules = public(&["chat.example.org"]);
        assert!(Origins::Default.allows(
            "https://chat.example.org",
            Some("chat.example.org"),
            &rules
        ));
        assert!(Origins::Default.allows(
            "https://Chat.example.org:443",
            Some("chat.example.org"),
            &rules
        ));
        assert!(Origins::Default.allows("http://192.0.2.7:3000", Some("192.0.2.7:3000"), &rules));
        assert!(!Origins::Default.allows(
            "https://other.example",
            Some("chat.example.org"),
            &rules
        ));
        assert!(!Origins::Default.allows(
            "http://rebound.example",
            Some("rebound.example"),
            &public(&[])
        ));
        assert!(!Origins::Default.allows("http://192.0.2.7:81", Some("192.0.2.7"), &rules));
    }

    #[test]
    fn a_list_is_exact_and_replaces_the_default() {
        let origins =
            Origins::parse(&["https://A.example:8443".to_owned(), "null".to_owned()]).unwrap();
        assert!(origins.allows("https://a.example:8443", None, &loopback()));
        assert!(origins.allows("null", None, &loopback()));
        assert!(!origins.allows("https://a.example", None, &loopback()));
        assert!(!origins.allows("http://localhost:3000", None, &loopback()));
    }

    #[test]
    fn the_star_stands_alone_and_what_is_no_origin_is_refused() {
        assert_eq!(Origins::parse(&[]), Ok(Origins::Default));
        assert_eq!(Origins::parse(&["*".to_owned()]), Ok(Origins::Any));
        for list in [
            &["*", "https://a.example"][..],
            &["a.example"],
            &["https://a.example/"],
            &["https://*.a.example"],
        ] {
            let list: Vec<String> = list.iter().map(|entry| (*entry).to_owned()).collect();
            assert!(Origins::parse(&list).is_err(), "{list:?}");
        }
    }

    #[test]
    fn a_host_must_be_an_address_or_a_known_name_where_it_is_checked() {
        for host in [
            "127.0.0.1:3000",
            "localhost",
            "LOCALHOST:1",
            "[::1]:3000",
            "192.168.1.4:3000",
        ] {
            assert!(loopback().allow(Some(host)), "{host}");
        }
        for host in [
            "rebound.example:3000",
            "localhost.rebound.example",
            "[::1",
            "",
        ] {
            assert!(!loopback().allow(Some(host)), "{host}");
        }
        assert!(public(&[]).allow(Some("anything.example")));
        assert!(public(&["chat.example.org"]).allow(Some("chat.example.org:443")));
        assert!(!public(&["chat.example.org"]).allow(Some("other.example")));
    }
}
