//! How often somebody may ask, and how much at once.

use chat::Identity;

use crate::{
    client::{Answer, Ask, get, post},
    server::Server,
};

/// Asks until it is too often; some of what is allowed comes back meanwhile.
fn until_too_often(server: &Server, ask: &Ask) -> Answer {
    let answers = (0..500).map(|_| server.ask(ask));
    let answer = answers.into_iter().find(|answer| answer.status == 429);
    let answer = answer.expect("500 requests are too many");
    answer.refused(429, "too_many_requests", "");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    answer
}

#[test]
fn a_user_who_asks_too_often_hinders_nobody_else() {
    let server = Server::with(&[
        ("limits.per_user_per_second", "1"),
        ("limits.per_user_burst", "3"),
    ]);
    let bank = server.app("bank", Identity::Verified);
    let ask = |key: &str| get("/v1/user?username=ada").with(key);
    let ada = ask(&bank.user_key("ada"));
    until_too_often(&server, &ada);
    for key in [bank.user_key("bob"), bank.client, bank.server] {
        assert_eq!(server.ask(&ask(&key)).status, 404);
    }
}

#[test]
fn an_address_that_asks_too_often_is_told_so_before_anything_else() {
    let server = Server::with(&[
        ("limits.per_ip_per_second", "1"),
        ("limits.per_ip_burst", "3"),
        ("proxies.trusted", "127.0.0.1"),
        ("identity.allow_open_on_public_address", "true"),
        ("origins.allow", "https://page.example"),
    ]);
    let shop = server.app("shop", Identity::Open);
    let from = |ip: &str, ask: Ask| ask.header("X-Forwarded-For", ip);
    let wrong = || get("/v1/user?username=ada").with("nobody");
    // Also guesses are counted.
    until_too_often(&server, &from("192.0.2.1", wrong()));
    assert_eq!(server.ask(&from("192.0.2.2", wrong())).status, 401);
    let page = from("192.0.2.1", wrong()).header("Origin", "https://page.example");
    let answer = until_too_often(&server, &page);
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://page.example"));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("retry-after"), "{exposed}");

    let before = server.state();
    let make = |key: &str| {
        let ask = post("/v1/user").texts(&[("username", "ada")]).with(key);
        from("192.0.2.1", ask)
    };
    until_too_often(&server, &make("nobody"));
    assert_eq!(server.state(), before);
    // The app's own servers may have one address for all their users.
    for _ in 0..10 {
        server.ask(&make(&shop.server)).good();
    }
}

#[test]
fn one_app_takes_nothing_from_another() {
    let server = Server::with(&[
        ("limits.per_app_per_second", "1"),
        ("limits.per_app_burst", "3"),
    ]);
    let shop = server.app("shop", Identity::Open);
    let other = server.app("other", Identity::Open);
    let ask = |key: &str| get("/v1/user?username=ada").with(key);
    until_too_often(&server, &ask(&shop.client));
    assert_eq!(server.ask(&ask(&other.client)).status, 404);
}

#[test]
fn a_burst_of_sends_passes() {
    let server = Server::start();
    let bank = server.app("bank", Identity::Verified);
    let key = &bank.user_key("ada");
    let ada = server.user(key, "ada");
    server.user(&bank.server, "bob");
    let chat = server.chat(key, "ada", "bob");
    for number in 0..120 {
        server.message(key, &chat, &ada, &number.to_string());
    }
}
