//! The endpoints of `market`, as pure functions: what a request asks for, and what it is answered.
//!
//! Files are sent here, and lists can be had without a socket. Everything is asked by the person whom a
//! token proves. What happens is told on sockets, by `outgoing`, as of any other message.

mod input;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, slice};

use chat::{
    Body, Command, ConversationKind, ConversationRef, Destination, Query, Refusal, Reply, Role,
    Subject, UserRef, View, command::ProductRef,
};

pub use self::input::{ChatQuery, ChatsQuery, SendFiles};
use super::{
    incoming::{self, chats},
    objects::{AppError, Chat, Empty, Envelope, Message, external},
    words,
};
use crate::{
    Answered, Request, Site, payload,
    rest::{self, Form, Input, Response},
};

/// A request that was read.
#[derive(Clone, Debug)]
pub struct Call {
    request: Request,
    shape: Shape,
}

/// What an answer looks like.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Sent,
    Chats,
    Chat,
    Hidden,
}

/// `POST /api/v1/chat/send-image`, `/send-video`, `/send-pdf`; `idempotency_key` is the header of that
/// name.
pub fn send_files(
    asker: &Subject,
    body: Input<'_>,
    idempotency_key: Option<&str>,
) -> Result<Call, Refusal> {
    let mut sent = SendFiles::read(asker, body)?;
    let client_id = match idempotency_key {
        Some(key) => Some(rest::idempotency_key(key)?),
        None => sent.client_message_id.take(),
    };
    let recipient = |role| UserRef::Named(external(role, &sent.recipient_id));
    let (vendor, customer) = match asker.role {
        Some(Role::Vendor) => (UserRef::Subject, recipient(Role::Customer)),
        _ => (recipient(Role::Vendor), UserRef::Subject),
    };
    let body = Body {
        text: sent.text.take().unwrap_or_default(),
        media: std::mem::take(&mut sent.files),
        ..Body::default()
    };
    Ok(Call {
        request: Request::command(Command::Send {
            to: Destination::Product {
                vendor,
                customer,
                product: Box::new(sent.product()),
            },
            sender: UserRef::Subject,
            body,
            client_id,
        }),
        shape: Shape::Sent,
    })
}

/// `GET /api/v1/chat`
pub fn list_chats(query: &Form) -> Result<Call, Refusal> {
    let query = ChatsQuery::read(query)?;
    let chats = chats(
        query.page.into(),
        query.limit,
        query.message_page.into(),
        query.message_limit,
    );
    Ok(look(Shape::Chats, chats))
}

/// `GET /api/v1/chat/{product_id}/{vendor_id}/{customer_id}`
pub fn get_chat(
    product_id: &str,
    vendor_id: &str,
    customer_id: &str,
    query: &Form,
) -> Result<Call, Refusal> {
    let query = ChatQuery::read(query)?;
    let person = |role, id: &str| UserRef::Known(external(role, &chat::ExternalId::text(id)).text);
    let about = ProductRef {
        product: product_id.to_owned(),
        vendor: person(Role::Vendor, vendor_id),
        customer: person(Role::Customer, customer_id),
    };
    let history = Query::History {
        conversation: ConversationRef::Product(about),
        viewer: Some(UserRef::Subject),
        before: None,
        offset: incoming::offset(query.message_page.into(), query.message_limit),
        limit: query.message_limit,
    };
    Ok(look(Shape::Chat, history))
}

/// `DELETE /api/v1/chat/{id}`
pub fn hide_chat(id: &str) -> Result<Call, Refusal> {
    // An id that cannot be one names nothing.
    let chat = payload::uuid(id).ok_or(Refusal::UnknownConversation)?;
    Ok(Call {
        request: Request::command(Command::HideConversation {
            conversation: ConversationRef::OfKind(chat, ConversationKind::Product),
            user: UserRef::Subject,
        }),
        shape: Shape::Hidden,
    })
}

fn look(shape: Shape, query: Query) -> Call {
    let request = Request::query(query);
    Call { request, shape }
}

impl rest::Call for Call {
    fn request(&self) -> &Request {
        &self.request
    }

    fn answer(&self, site: &Site, result: Result<&Answered, &Refusal>) -> Response {
        match result {
            Ok(answered) => self.body(site, answered),
            // Whoever has never been seen here has a token, and no chats.
            Err(Refusal::UnknownUser) if matches!(self.shape, Shape::Chats) => chats_of([]),
            Err(refusal) => refuse(Some(self), refusal),
        }
    }

    fn refuse(refusal: &Refusal) -> Response {
        refuse(None, refusal)
    }
}

impl Call {
    fn body(&self, site: &Site, answered: &Answered) -> Response {
        match (self.shape, &answered.reply, &answered.view) {
            (
                Shape::Sent,
                Some(Reply::Sent {
                    message, opened, ..
                }),
                _,
            ) => match opened {
                Some(chat) => created(Chat::new(site, chat, slice::from_ref(&**message))),
                None => created(Message::new(site, message)),
            },
            (Shape::Chats, _, Some(View::Conversations { conversations, .. })) => {
                let chats = conversations
                    .iter()
                    .map(|found| Chat::new(site, &found.conversation, &found.messages));
                chats_of(chats)
            }
            (
                Shape::Chat,
                _,
                Some(View::History {
                    conversation,
                    messages,
                    ..
                }),
            ) => ok(
                "Chats has been loaded",
                Chat::new(site, conversation, messages),
            ),
            _ => ok("Chat has been deleted successfully", Empty {}),
        }
    }
}

fn chats_of<'a>(chats: impl IntoIterator<Item = Chat<'a>>) -> Response {
    let chats: Vec<_> = chats.into_iter().collect();
    ok("Chats has been sent successfully", chats)
}

fn ok(message: &'static str, data: impl serde::Serialize) -> Response {
    Response::new(200, &Envelope::ok(Some(message), data))
}

fn created(data: impl serde::Serialize) -> Response {
    const CREATED: u16 = 201;
    let body = Envelope {
        status_code: CREATED,
        ..Envelope::ok(None, data)
    };
    Response::new(CREATED, &body)
}

fn refuse(call: Option<&Call>, refusal: &Refusal) -> Response {
    failure(words::status(refusal), &explain(call, refusal))
}

/// Says a refusal in the words of this dialect. One that was refused before it was read named nothing
/// but what is in its path.
pub fn explain(call: Option<&Call>, refusal: &Refusal) -> Cow<'static, str> {
    let shape = call.map(|call| call.shape);
    let words = match (refusal, shape) {
        (Refusal::UnknownConversation, Some(Shape::Chat)) => {
            "productId, vendorId and customerId name no chat of yours"
        }
        (Refusal::UnknownConversation, None | Some(Shape::Hidden)) => "id is not a chat of yours",
        (Refusal::TokenRequired, _) => "Authorization must be Bearer, a space, and a token",
        (Refusal::UnknownKey, _) => "appKey is not a key that this server knows",
        _ => return words::explain(call.map(|call| &call.request), refusal),
    };
    Cow::Borrowed(words)
}

/// The HTTP status of a refusal.
pub fn status(refusal: &Refusal) -> u16 {
    words::status(refusal)
}

/// What every request is answered with that did not do what it asked for. What is wrong with a request
/// itself has one status here.
pub fn failure(status: u16, message: &str) -> Response {
    const UNPROCESSABLE: u16 = 422;
    const BAD_REQUEST: u16 = 400;
    let status_code = match status {
        UNPROCESSABLE => BAD_REQUEST,
        status => status,
    };
    let body = AppError {
        error: true,
        message,
        status_code,
    };
    Response::new(status_code, &body)
}
