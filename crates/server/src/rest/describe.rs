//! The routes, and their description for others: `/openapi.json`, and `/docs` to try them out.

use axum::{
    Extension, Router,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::Response,
    routing::any,
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Description,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{
    Rest, chats,
    drain::drained,
    keys, market, messages, reviews,
    stream::{self, Listed},
    unknown, users, wrong_method,
};

/// Where the description is.
const DESCRIPTION: &str = "/openapi.json";
/// Where it can be tried out.
const PAGE: &str = "/docs";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Palaver",
        description = "Users, chats, messages, chatrooms of live streams and keys over HTTP. What happens is told over Socket.IO.",
    ),
    tags(
        (name = "users", description = "People."),
        (name = "chats", description = "Chats of two people and of many."),
        (name = "messages", description = "What people write."),
        (name = "market", description = "Chats of customers and vendors about products, as the person whom a token proves."),
        (name = "stream channels", description = "Channels of live streams, and what is told about them."),
        (name = "stream chat", description = "Chatrooms of live streams: what is said there, what they allow, what is pinned."),
        (name = "stream moderation", description = "Who rules a chatroom: bans, moderators."),
        (name = "stream polls", description = "What is asked in a chatroom."),
        (name = "reviews", description = "Words that are not taken, and messages that somebody looks at."),
        (name = "keys", description = "The API keys of an app, for its own servers."),
    ),
    security(("key" = [])),
    modifiers(&Security),
)]
struct Palaver;

/// Every request brings a key.
struct Security;

impl Modify for Security {
    fn modify(&self, description: &mut Description) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description =
            Some("An API key of the app, or a user key: a token that the app signed.".to_owned());
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// All routes under `/v1/`, `/api/v1/` and `/api/v2/`, and what describes them.
pub(super) fn router(rest: Rest) -> Router {
    let (routes, mut description) = routes().split_for_parts();
    let routes = routes
        .route("/v1/{*path}", any(unknown))
        .method_not_allowed_fallback(wrong_method);
    let (of_market, more) = market_routes().split_for_parts();
    let of_market = of_market
        .route("/api/v1/{*path}", any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::map_response(async |response: Response| {
            market::retold(response)
        }));
    description.merge(more);
    let (of_stream, more) = stream::routes().split_for_parts();
    let of_stream = of_stream
        .route("/api/v2/{*path}", any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(Listed::new(&more)))
        .layer(middleware::map_response(async |response: Response| {
            stream::retold(response)
        }));
    description.merge(more);
    let endpoints = routes
        .merge(of_market)
        .merge(of_stream)
        .layer(middleware::map_request(async |request: Request| {
            drained(request)
        }))
        .with_state(rest);
    // The page would else ask somebody on the internet whether the description is valid.
    let config = Config::default().validator_url("none");
    let page = SwaggerUi::new(PAGE)
        .url(DESCRIPTION, description)
        .config(config);
    let page = Router::from(page).layer(middleware::from_fn(guard));
    endpoints.merge(page)
}

fn routes() -> OpenApiRouter<Rest> {
    OpenApiRouter::with_openapi(Palaver::openapi())
        .routes(routes!(users::put_user, users::get_user))
        .routes(routes!(users::list_users))
        .routes(routes!(users::update_user, users::delete_user))
        .routes(routes!(users::list_blocks))
        .routes(routes!(users::block, users::unblock))
        .routes(routes!(chats::open_chat))
        .routes(routes!(chats::list_chats))
        .routes(routes!(
            chats::get_chat,
            chats::update_chat,
            chats::delete_chat
        ))
        .routes(routes!(chats::add_participant))
        .routes(routes!(chats::remove_participant))
        .routes(routes!(messages::list_messages, messages::send_message))
        .routes(routes!(messages::edit_message, messages::delete_message))
        .routes(routes!(messages::mark_seen))
        .routes(routes!(reviews::list_filters, reviews::add_filter))
        .routes(routes!(reviews::remove_filter))
        .routes(routes!(reviews::report_message))
        .routes(routes!(reviews::list_reviews))
        .routes(routes!(reviews::review))
        .routes(routes!(keys::create_key, keys::list_keys))
        .routes(routes!(keys::revoke_key))
}

fn market_routes() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(market::send_image))
        .routes(routes!(market::send_video))
        .routes(routes!(market::send_pdf))
        .routes(routes!(market::product_chats))
        .routes(routes!(market::product_chat))
        .routes(routes!(market::hide_product_chat))
}

/// Keys are typed into the page, so it loads nothing from elsewhere and stands in no frame.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             frame-ancestors 'none'",
        ),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
