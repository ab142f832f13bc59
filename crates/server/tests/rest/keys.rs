//! `/v1/keys`, and what a key opens.

use chat::Identity;
use serde_json::json;

use crate::{
    client::{delete, get, post},
    server::{Server, text},
};

#[test]
fn an_app_makes_lists_and_revokes_its_keys() {
    let server = Server::start();
    let shop = server.app("shop", Identity::Verified);
    let make = |scope: &str| {
        let body = json!({ "scope": scope });
        let answer = server.ask(&post("/v1/keys").with(&shop.server).json(&body));
        assert_eq!(answer.status, 201);
        answer.good()
    };
    let (client, second) = (make("client"), make("server"));
    let key = text(&client["key"]);
    assert!(key.starts_with("pk_") && key.starts_with(client["prefix"].as_str().unwrap()));
    server.user(&text(&second["key"]), "ada");
    let ada = get("/v1/user?username=ada").with(&key);
    server.ask(&ada).good();

    let list = || server.ask(&get("/v1/keys").with(&shop.server)).good()["keys"].clone();
    let keys = list();
    assert_eq!(keys.as_array().unwrap().len(), 4);
    assert_eq!(keys[2]["id"], client["id"]);
    assert_eq!(keys[2]["revoked_at"], json!(null));
    assert!(!keys.to_string().contains(&key), "texts are not kept");

    let path = format!("/v1/keys/{}", client["id"]);
    for _ in 0..2 {
        server.ask(&delete(&path).with(&shop.server)).good();
    }
    server
        .ask(&ada)
        .refused(401, "unknown_key", "Authorization");
    assert!(list()[2]["revoked_at"].is_string());
}

#[test]
fn only_a_server_key_manages_keys_and_only_those_of_its_app() {
    let server = Server::start();
    for identity in [Identity::Open, Identity::Verified] {
        let shop = server.app(&format!("shop {identity:?}"), identity);
        let other = server.app(&format!("other {identity:?}"), identity);
        let keys = server.ask(&get("/v1/keys").with(&shop.server)).good()["keys"].clone();
        let path = format!("/v1/keys/{}", keys[0]["id"]);
        let before = server.state();
        let body = json!({ "scope": "client" });
        for ask in [get("/v1/keys"), post("/v1/keys").json(&body), delete(&path)] {
            server
                .ask(&ask.with(&shop.client))
                .refused(403, "not_allowed", "");
        }
        let others = server.ask(&delete(&path).with(&other.server));
        others.refused(404, "unknown_key", "id");
        for id in ["0", "x", "99999999999999999999", "1000000"] {
            let unknown = server.ask(&delete(&format!("/v1/keys/{id}")).with(&shop.server));
            unknown.refused(404, "unknown_key", "id");
        }
        for body in [
            json!({}),
            json!({ "scope": "root" }),
            json!({ "scope": 1 }),
            json!([]),
        ] {
            let wrong = server.ask(&post("/v1/keys").with(&shop.server).json(&body));
            wrong.refused(422, "invalid", "scope");
        }
        let form = post("/v1/keys")
            .with(&shop.server)
            .texts(&[("scope", "client")]);
        server.ask(&form).refused(422, "invalid", "scope");
        assert_eq!(server.state(), before);
        let listed = server.ask(&get("/v1/keys").with(&shop.server)).good();
        assert_eq!(listed["keys"], keys);
    }
}

#[test]
fn who_brings_no_good_key_gets_nowhere() {
    let server = Server::start();
    let shop = server.app("shop", Identity::Open);
    let before = server.state();
    for authorization in [
        "Bearer",
        "Bearer ",
        "Bearer nobody",
        "Basic dXNlcjpwYXNz",
        "bearer a.b.c",
        &format!("Bearer {}x", shop.client),
        &shop.client,
    ] {
        for ask in [
            get("/v1/user?username=ada"),
            post("/v1/user").texts(&[("username", "ada")]),
            get("/v1/keys"),
        ] {
            let answer = server.ask(&ask.header("Authorization", authorization));
            answer.refused(401, "unknown_key", "Authorization");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let without = server.ask(&get("/v1/user?username=ada"));
    without.refused(401, "unknown_key", "Authorization");
    assert_eq!(server.state(), before);
    let any_case = get("/v1/user?username=ada");
    let any_case = any_case.header("Authorization", &format!("bEARER {}", shop.client));
    assert_eq!(server.ask(&any_case).status, 404);
}
