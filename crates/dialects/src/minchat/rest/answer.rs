//! What a request is answered with: a status, and a body around the dialect's objects.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    minchat::objects::{Chat, Message, User},
    rest::Response,
};

pub(super) fn ok(body: &impl Serialize) -> Response {
    Response::new(200, body)
}

/// What every request is answered with that did not do what it asked for.
pub fn failure(status: u16, code: &str, message: &str) -> Response {
    let body = Failure {
        success: false,
        message,
        code,
    };
    Response::new(status, &body)
}

/// Nothing was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Failure<'a> {
    /// Always false.
    pub success: bool,
    /// Why, for people; names the field.
    pub message: &'a str,
    /// Why, for programs; does not change between releases.
    pub code: &'a str,
}

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    /// Always true.
    pub success: bool,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneUser<'a> {
    /// As of now.
    pub user: User<'a>,
}

/// Users, in the order of the request. Those who are not there are left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct Users<'a> {
    /// As of now.
    pub users: Vec<User<'a>>,
}

/// Somebody who belongs to a chat now, or no longer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Participant<'a> {
    /// Always true.
    pub success: bool,
    /// Who.
    pub participant: User<'a>,
}

/// A page of 25 chats in which something was said, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Chats<'a> {
    /// Always true.
    pub success: bool,
    /// The page's number, from 1.
    pub page: u64,
    /// Chats on all pages.
    pub total_chats: u64,
    /// Pages.
    pub total_pages: u64,
    /// Empty behind the last page.
    pub chats: Vec<Chat<'a>>,
}

/// A page of 25 messages, oldest first; page 1 has the newest.
#[derive(Debug, Serialize, ToSchema)]
pub struct Messages<'a> {
    /// Always true.
    pub success: bool,
    /// The page's number, from 1.
    pub page: u64,
    /// Messages on all pages.
    pub total_messages: u64,
    /// Pages.
    pub total_pages: u64,
    /// Empty behind the last page.
    pub messages: Vec<Message<'a>>,
}
