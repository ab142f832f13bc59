//! The description of the API, its page, and what browsers of other origins may read.

use std::collections::BTreeSet;

use chat::Identity;
use serde_json::Value;

use crate::{
    client::{Ask, get, post},
    server::{Server, text},
};

fn description(server: &Server) -> Value {
    server.ask(&get("/openapi.json")).good()
}

const METHODS: [&str; 5] = ["get", "post", "patch", "put", "delete"];

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name() {
    let server = Server::start();
    let description = description(&server);
    assert!(text(&description["openapi"]).starts_with("3.1."));
    let mut names = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let name = text(&operation["operationId"]);
            assert!(names.insert(name.clone()), "two operations are {name}");
            assert!(operation["responses"].get("default").is_some(), "{name}");
            let parameters = operation["parameters"].as_array();
            let parameters: BTreeSet<_> = parameters
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| text(&parameter["name"]))
                .collect();
            let in_path = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}').map(str::to_owned));
            assert_eq!(parameters, in_path.collect(), "{path}");
        }
    }
    assert_eq!(names.len(), 55);
    let mut places = vec![&description];
    let mut found = 0;
    while let Some(place) = places.pop() {
        match place {
            Value::Array(entries) => places.extend(entries),
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref") {
                    let target = text(reference);
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(description.pointer(pointer).is_some(), "{target}");
                    found += 1;
                }
                places.extend(fields.values());
            }
            _ => {}
        }
    }
    assert!(found > 20, "{found}");
}

/// Each operation exists, and answers in the documented shape to a request without a key.
#[test]
fn what_is_described_is_there() {
    let server = Server::start();
    server.app("shop", Identity::Open);
    for (path, item) in description(&server)["paths"].as_object().unwrap() {
        for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
            let path = path.replace(['{', '}'], "");
            let answer = server.ask(&Ask::new(&method.to_uppercase(), &path));
            let is_streams = path.starts_with("/api/v2/") || path.ends_with("/history");
            if path == "/routes" {
                assert_eq!(answer.status, 200);
            } else if is_streams && *method == "get" {
                assert_eq!(answer.status, 404, "{path}");
                assert_eq!(answer.json()["code"], "unknown_conversation", "{path}");
            } else if is_streams {
                assert_eq!(answer.status, 401, "{path}");
                assert_eq!(answer.json()["code"], "unknown_key", "{path}");
                assert_eq!(answer.json().as_object().unwrap().len(), 2, "{path}");
            } else if path.starts_with("/api/") {
                assert_eq!(answer.status, 401, "{path}");
                assert_eq!(answer.json()["statusCode"], 401, "{path}");
            } else {
                answer.refused(401, "unknown_key", "Authorization");
            }
        }
    }
}

#[test]
fn the_page_is_here_and_loads_nothing_from_elsewhere() {
    let server = Server::start();
    let page = server.ask(&get("/docs/"));
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
    let html = String::from_utf8(page.body).unwrap();
    let mut sources = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in html.split(attribute).skip(1) {
            let target = rest.split('"').next().unwrap().trim_start_matches("./");
            assert!(!target.contains("//"), "{target}");
            let found = server.ask(&get(&format!("/docs/{target}")));
            assert_eq!(found.status, 200, "{target}");
            sources += 1;
        }
    }
    assert!(sources > 3, "{html}");
    let start = server.ask(&get("/docs/swagger-initializer.js"));
    let start = String::from_utf8(start.body).unwrap();
    assert!(start.contains("/openapi.json"), "{start}");
    assert_eq!(server.ask(&get("/docs")).status, 303);
}

/// A page must be able to read why it was refused.
#[test]
fn pages_of_allowed_origins_read_every_answer() {
    let server = Server::start();
    let key = server.app("shop", Identity::Open).client;
    let origin = "http://localhost:5173";
    for (ask, status) in [
        (get("/v1/user?username=x").with(&key), 404),
        (get("/v1/user?username=x"), 401),
        (get("/v1/keys").with(&key), 403),
        (get("/v1/nothing"), 404),
        (Ask::new("PUT", "/v1/user").with(&key), 405),
        (post("/v1/user").with(&key).raw("text/plain", "x"), 415),
        (
            post("/v1/user").with(&key).raw("application/json", "{"),
            422,
        ),
        (get("/media/nothing"), 404),
        (get("/openapi.json"), 200),
    ] {
        let answer = server.ask(&ask.header("Origin", origin));
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        let preflight = Ask::new("OPTIONS", "/v1/chat/x")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", method)
            .header(
                "Access-Control-Request-Headers",
                "authorization,content-type,idempotency-key",
            );
        let answer = server.ask(&preflight);
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.contains(method), "{methods}");
        let headers = answer.header("access-control-allow-headers").unwrap();
        assert_eq!(headers, "authorization,content-type,idempotency-key");
        assert!(answer.header("access-control-max-age").is_some());
    }
    let elsewhere = get("/v1/user?username=x")
        .with(&key)
        .header("Origin", "https://evil.example");
    let answer = server.ask(&elsewhere);
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
